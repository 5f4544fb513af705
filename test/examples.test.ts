import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { readImage, writePng } from '../lib/image/image_io.js'
import { parseConfig } from '../lib/config/parse.js'
import { readConfig } from '../lib/files/config_file.js'
import { evaluateConfigSchema } from '../lib/evaluation/tasks/evaluate_config.js'
import { trainConfigSchema } from '../lib/run/train_config.js'
import { temporaryFolder } from './temporary_folder.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const example = join(root, 'examples/squares.mjs')

/** What an example of 8 x 8 pictures prints, and how bright the halves are of what it generated as "left" and "right". */
async function drawnBy(name: string) {
  const folder = await temporaryFolder()
  // The example's own folder resolves the package's name; its output goes elsewhere.
  const url = pathToFileURL(join(root, 'examples', name)).href
  const code = `process.chdir(${JSON.stringify(folder)}); await import(${JSON.stringify(url)})`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code])
  const halves = async (file: string) => {
    const { data } = await readImage(join(folder, file), { width: 8, height: 8, channels: 1 })
    const mean = (left: boolean) =>
      data.filter((_, i) => i % 8 < 4 === left).reduce((sum, value) => sum + value, 0) / 32
    return { left: mean(true), right: mean(false) }
  }
  return { stdout, halves }
}

it('runs the example of docs/node.md, which draws what it was asked for and names what it sees', async () => {
  const { stdout, halves } = await drawnBy('squares.mjs')
  expect(stdout.trim()).toBe('right')
  const { left, right } = await halves('left.png')
  expect(left).toBeGreaterThan(200)
  expect(right).toBeLessThan(55)
})

it('trains by a loop and a schedule of its own, whose second head learns too, and draws from it', async () => {
  const { stdout, halves } = await drawnBy('own-loop.mjs')
  const [first, last] = [/step 50: .*/, /step 300: .*/].map((line) => {
    const [text] = line.exec(stdout)!
    return Object.fromEntries(
      [...text.matchAll(/(\w+) ([\d.]+)/g)].map(([, name, value]) => [name, Number(value)]),
    )
  })
  expect(last!['diffusion']).toBeLessThan(first!['diffusion']! / 2)
  // Of a guess: log 2.
  expect(last!['classLoss']).toBeLessThan(0.2)
  for (const [bright, dark] of [
    ['left', 'right'],
    ['right', 'left'],
  ] as const) {
    const drawn = await halves(`${bright}.png`)
    expect(drawn[bright]).toBeGreaterThan(200)
    expect(drawn[dark]).toBeLessThan(55)
  }
})

it('shows the example in docs/node.md as it is', () => {
  expect(readFileSync(join(root, 'docs/node.md'), 'utf8')).toContain(readFileSync(example, 'utf8').trim())
})

it.each([
  ['fashion-mnist', 'transfusion'],
  ['fashion-mnist-autoencoder', 'autoencoder'],
  ['fashion-mnist-latents', 'transfusion'],
  ['fashion-mnist-rae', 'autoencoder'],
  ['fashion-mnist-vqvae', 'autoencoder'],
  ['fashion-mnist-chameleon', 'transfusion'],
])('has a config %s that the command accepts, and shows it in docs/training.md', async (name, type) => {
  const path = join(root, `examples/${name}.json`)
  const config = await readConfig(path, trainConfigSchema)
  const [schemaLine, text] = [/^ {2}"\$schema": "(.*)",\n/m, readFileSync(path, 'utf8')]
  expect(existsSync(join(root, 'examples', schemaLine.exec(text)![1]!))).toBe(true)
  expect(readFileSync(join(root, 'docs/training.md'), 'utf8')).toContain(text.replace(schemaLine, '').trim())
  expect(parseConfig(trainConfigSchema, config, 'example').model.type).toBe(type)
})

it('has a config that teaches a language model to draw with its text frozen, and shows its pictures', async () => {
  const folder = join(root, 'examples/teach-smollm2')
  // What it leaves out are the sizes of the language model.
  for (const name of ['hour', 'night', 'gpu'])
    expect(await readConfig(join(folder, `${name}.json`), trainConfigSchema)).toMatchObject({
      model: { image: { weights: 'all', boi: 'own' } },
      training: { freeze: 'text' },
    })
  expect(await readConfig(join(folder, 'lora.json'), trainConfigSchema)).toMatchObject({
    training: { freeze: 'text', lora: { rank: 16, alpha: 32 } },
  })
  expect(await readConfig(join(folder, 'eval.json'), evaluateConfigSchema)).toMatchObject({
    tasks: [{ type: 'text' }, { type: 'classes' }],
  })
  expect(existsSync(join(folder, 'drawn.png'))).toBe(true)
})

it('trains on a folder of pictures, stops on Ctrl-C, and goes on where it was', async () => {
  const folder = await temporaryFolder()
  for (const [i, name] of ['red', 'green', 'blue'].entries()) {
    const data = Uint8Array.from({ length: 40 * 30 * 3 }, (_, k) => (k % 3 === i ? 220 : 30))
    await writePng(join(folder, `${name}.png`), { width: 40, height: 30, channels: 3, data })
    await writeFile(join(folder, `${name}.txt`), `a ${name} picture`)
  }
  const out = join(folder, 'run')
  const run = async (stopAfter?: number) => {
    const child = execFile(process.execPath, [join(root, 'examples/resume.mjs'), folder, out, '100'])
    let output = ''
    child.stdout!.on('data', (text: string) => {
      if (output === '' && stopAfter !== undefined) setTimeout(() => child.kill('SIGINT'), stopAfter)
      output += text
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    return { code, steps: [...output.matchAll(/step (\d+)/g)].map(([, step]) => Number(step)) }
  }
  const first = await run(300)
  expect(first.code).toBe(0)
  expect(first.steps[0]).toBe(0)
  expect(first.steps[1]).toBeLessThan(100)
  expect(await readdir(out)).not.toContain('sheet.png')
  expect(await run()).toEqual({ code: 0, steps: [first.steps[1], 100] })
  expect(await readdir(out)).toContain('sheet.png')
})
