// Two copies of the package in one process, as two dependencies that each bring their own make them.
import { execFile } from 'node:child_process'
import { copyFileSync, cpSync, linkSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { native } from '../lib/native.js'
import { temporaryFolder } from './temporary_folder.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const { cache } = createRequire(import.meta.url)
const addon = Object.keys(cache).find((path) => cache[path]!.exports === native)!

/** How a copy of the package comes by its addon. */
const ways = {
  'a file of its own': (path: string) => copyFileSync(addon, path),
  'the same file under another path': (path: string) => linkSync(addon, path),
  'a link to one file': (path: string) => symlinkSync(addon, path),
}

async function copies(place: (path: string) => void): Promise<string[]> {
  // Beside the build: a hard link cannot leave its file system.
  const folder = await temporaryFolder(join(root, 'build'))
  return ['a', 'b'].map((name) => {
    const copy = join(folder, name)
    cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true })
    copyFileSync(join(root, 'package.json'), join(copy, 'package.json'))
    symlinkSync(realpathSync(join(root, 'node_modules')), join(copy, 'node_modules'))
    mkdirSync(join(copy, 'build/Release'), { recursive: true })
    place(join(copy, 'build/Release/transfusion.node'))
    return copy
  })
}

/** Loads both copies in a Node of its own and runs a script over `a` and `b`; returns the lines it prints. */
async function runNode([a, b]: string[], script: string): Promise<string[]> {
  const entries = (copy: string) => ['tensor', 'nn'].map((entry) => join(copy, `dist/entry/${entry}.js`))
  const code = `const load = () => ${JSON.stringify([a, b].map((copy) => entries(copy!)))}.map((copy) =>
      Object.assign({}, ...copy.map((entry) => require(entry))))
    const paths = ${JSON.stringify([a, b].map((copy) => join(copy!, 'dist/entry/tensor.js')))}
    ${script}`
  const env = { ...process.env, TRANSFUSION_NATIVE: '', NODE_OPTIONS: '' }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=commonjs', '--eval', code],
    // A copy that hangs is killed, and the test fails.
    { env, timeout: 120_000 },
  )
  return stdout.trim().split('\n')
}

test.each(Object.entries(ways))('two copies, each with %s, compute side by side', async (_, place) => {
  const lines = await runNode(
    await copies(place),
    `const [a, b] = load()
    const product = ({ full, matmul }, value) => matmul(full([256, 256], value), full([256, 256], 1)).read()
    const sums = async () => {
      const reads = []
      for (let i = 0; i < 20; i++) reads.push(product(a, 1), product(b, 2))
      console.log(new Set((await Promise.all(reads)).map((values, i) => values[i])))
      console.log(a.memory().tensors > 0, b.memory().tensors > 0)
    }
    sums()`,
  )
  expect(lines).toEqual(['Set(2) { 256, 512 }', 'true true'])
})

test.each(Object.entries(ways))(
  'a tensor of a copy with %s is refused by the ops of the other',
  async (_, place) => {
    const lines = await runNode(
      await copies(place),
      `const [a, b] = load()
    const own = b.full([2], 1), foreign = a.full([2], 7)
    try { b.add(own, foreign) } catch (error) { console.log(error.name, error.message) }
    try { b.concat([own, foreign], 0) } catch (error) { console.log(error.name, error.message) }`,
    )
    expect(lines).toEqual([
      'ArgumentError add: b must be a tensor, received a Tensor of another copy of transfusion-js',
      'ArgumentError concat: xs[1] must be a tensor, received a Tensor of another copy of transfusion-js',
    ])
  },
)

test.each(['a file of its own', 'the same file under another path'] as const)(
  'the addon of a copy with %s refuses tensors of the other, whatever they come in',
  async (way) => {
    const lines = await runNode(
      await copies(ways[way]),
      `const [a, b] = load()
      const arenaOf = ({ Parameter, ParameterArena }) =>
        new ParameterArena([new Parameter('weight', [4, 4], { value: 1 }, true)])
      const foreign = arenaOf(a), own = arenaOf(b)
      foreign.values.write(new Float32Array(foreign.elements).fill(7))
      own.values.write(new Float32Array(own.elements).fill(5))
      const options = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clip: 1 }
      try { new b.AdamW(foreign, options).step(1) } catch (error) { console.log(error.message) }
      try { own.swap(foreign.values) } catch (error) { console.log(error.message) }
      Promise.all([foreign.values.read(), own.values.read()]).then((values) =>
        console.log(...values.map((row) => String([...new Set(row)]))))`,
    )
    const refused = 'a tensor of another copy of transfusion-js was used'
    expect(lines).toEqual([refused, refused, '7 5'])
  },
)

test.each(Object.entries(ways))(
  'two copies, each with %s, load in many workers, by import and require, and end with work queued',
  async (_, place) => {
    const lines = await runNode(
      await copies(place),
      `const { Worker } = require('node:worker_threads')
      const work = (load, end) => \`\${load}.then(async (copies) => {
        const product = ({ full, matmul }) => matmul(full([256, 256], 1), full([256, 256], 1))
        const read = await Promise.all(copies.map((copy) => product(copy).read()))
        for (let i = 0; i < 200; i++) copies.forEach(product)
        require('node:worker_threads').parentPort.postMessage(read.map((values) => values[9]).join())
        \${end}
      })\`
      const required = 'Promise.resolve(' + JSON.stringify(paths) + '.map((path) => require(path)))'
      const imported = 'Promise.all(' + JSON.stringify(paths) + '.map((path) => import(path)))'
      const run = (load, end) => new Promise((resolve, reject) => {
        const worker = new Worker(work(load, end), { eval: true })
        const answers = []
        worker.on('message', (answer) => { answers.push(answer); if (end === '/* terminate */') worker.terminate() })
        worker.on('error', reject).on('exit', () => resolve(answers.join()))
      })
      const main = async () => {
        const [a] = load()
        const mine = a.full([4], 3)
        for (const end of ['process.exit()', '/* terminate */', ''])
          console.log((await Promise.all([run(required, end), run(imported, end)])).join(' '))
        console.log(String(await a.add(mine, mine).read()))
        for (let i = 0; i < 200; i++) a.matmul(a.full([256, 256], 1), a.full([256, 256], 1))
        process.exit()
      }
      main()`,
    )
    expect(lines).toEqual([...Array<string>(3).fill('256,256 256,256'), '6,6,6,6'])
  },
)
