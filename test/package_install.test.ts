// The packages as their users get them: packed, installed by npm into an empty folder, run with nothing else around.
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { saveModel } from '../lib/models/transfusion/io/folder.js'
import { scriptedModel } from './generation/scripted_model.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const platformPackage = `@transfusion-js/${process.platform}-${process.arch}`
const run = promisify(execFile)
const print = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' }).trim()
const pathOf = (program: string) => print('sh', '-c', `command -v ${program}`)

const isRoot = process.getuid?.() === 0
/** Linux's usual id of `nobody`. */
const nobody = 65534
/** Before a command: runs it as nobody where this is root; elsewhere its user is not root anyway. */
const asUser = isRoot
  ? [pathOf('setpriv'), `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--']
  : []

const canHide = isRoot && spawnSync('unshare', ['--mount', 'true']).status === 0
/** Before a command: runs it where an empty file lies over each of these files. Needs root. */
const hiding = (files: string[]) => [
  pathOf('unshare'),
  '--mount',
  pathOf('sh'),
  '-c',
  `for file in ${files.join(' ')}; do ${pathOf('mount')} --bind /dev/null $file; done; exec "$@"`,
  'sh',
]

/** Samples as a user would, and says which binaries were loaded. */
const sample = `
  const { readFileSync } = require('node:fs')
  const { Transfusion } = require('transfusion-js')
  async function main() {
    const model = await Transfusion.load('model')
    const parts = []
    for await (const part of model.generate('a', { temperature: 0, steps: 5 }))
      parts.push(part.type === 'text' ? part.text.trim() : part.type)
    const maps = readFileSync('/proc/self/maps', 'utf8').split('\\n').map((line) => line.split(/ +/)[5])
    console.log(JSON.stringify({ parts, files: [...new Set(maps)], user: process.getuid() }))
  }
  main()
`

/** What a user writes against the types, and the strictest settings without any that the package could ask for. */
const typed = `
  import { Trainer, Transfusion, type GenerationOptions } from 'transfusion-js'
  import { type DataConfig, openSources } from 'transfusion-js/data'
  import { evaluateClasses } from 'transfusion-js/evaluation'
  import { AdamW, Linear, ParameterList } from 'transfusion-js/nn'
  import { add, ropeTable, scope, Tensor, zeros } from 'transfusion-js/tensor'
  const options: GenerationOptions = { temperature: 0, signal: AbortSignal.timeout(1000) }
  export async function sample(folder: string): Promise<string[]> {
    using model = await Transfusion.load(folder)
    const kinds: string[] = []
    for await (const part of model.generate('a', options)) kinds.push(part.type === 'text' ? part.text : part.type)
    return kinds
  }
  export const doubled = (x: Tensor): Tensor => scope(() => add(x, x))
  export const layer: Linear = new Linear(new ParameterList(), 3, 4)
  export const sources = (config: DataConfig) => openSources(config)
  export const used: unknown[] = [AdamW, evaluateClasses, Trainer, ropeTable, zeros([2, 3], 'bf16').shape[0]]
  // @ts-expect-error: no such dtype
  zeros([1], 'f64')
`
const strict = {
  strict: true,
  skipLibCheck: false,
  types: [],
  lib: ['es2022'],
  target: 'es2022',
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  isolatedModules: true,
  noEmit: true,
}

describe.runIf(process.platform === 'linux')('the packed packages', () => {
  const local = join(root, 'build/Release/transfusion.node')
  const libraries = [...print('ldd', local).matchAll(/(lib(?:dnnl|hwy|gomp|OpenCL)\S*) => (\S+)/g)]
  const binaries = ['transfusion.node', ...libraries.map(([, name]) => name!)].toSorted()

  let folder: string
  /** Where the packages are installed. */
  let home: string
  let installed: string
  /** A folder with node, npm, the shell that npm runs scripts in, and nothing else. */
  let programs: string

  /** Runs a command in `home`, as who owns it, with nothing but `programs` on PATH. */
  async function inHome(command: string[]): Promise<{ stdout: string; stderr: string }> {
    const [program, ...args] = command as [string, ...string[]]
    // What it takes to reach a registry; nothing that vitest or npm set for this project.
    const kept = Object.entries(process.env).filter(([name]) => /proxy$|^NODE_EXTRA_CA_CERTS$/i.test(name))
    const registry = print('npm', 'config', 'get', 'registry')
    const env = { ...Object.fromEntries(kept), PATH: programs, HOME: home, npm_config_registry: registry }
    return run(program, args, { cwd: home, env })
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'transfusion-js-'))
    await chmod(folder, 0o755)
    home = join(folder, 'home')
    installed = join(home, 'node_modules', platformPackage)
    programs = join(folder, 'programs')
    await Promise.all([mkdir(home), mkdir(programs)])
    for (const program of ['node', 'npm', 'sh']) await symlink(pathOf(program), join(programs, program))

    const model = await scriptedModel()
    await saveModel(join(home, 'model'), model)
    model.network[Symbol.dispose]()
    await writeFile(join(home, 'sample.cjs'), sample)
    if (isRoot) await run('chown', ['--recursive', `${nobody}:${nobody}`, home])

    await run(process.execPath, ['scripts/pack-platform.mjs', '--out', folder], { cwd: root })
    await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root })
    const packed = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
    const files = packed.map((name) => join(folder, name))
    await inHome([...asUser, join(programs, 'npm'), 'install', '--no-audit', '--no-fund', ...files])
  }, 600_000)

  afterAll(() => rm(folder, { recursive: true, force: true }))

  const expectSampled = ({ stdout }: { stdout: string }) => {
    const { parts, files, user } = JSON.parse(stdout) as { parts: string[]; files: string[]; user: number }
    expect(parts.join(' ')).toBe('b image-start image c d e f done')
    expect(user).toBe(isRoot ? nobody : process.getuid!())
    const loaded = files.filter((file) => /(transfusion\.node|lib(dnnl|hwy|gomp|OpenCL)\S*)$/.test(file))
    expect(loaded.toSorted()).toEqual(binaries.map((name) => join(installed, name)))
  }

  it('sample as a user who is not root, without a compiler, with the libraries they bring', async () => {
    expectSampled(await inHome([...asUser, join(programs, 'node'), 'sample.cjs']))
  })

  it.runIf(canHide)(
    'sample where the system has none of the libraries (needs root and unshare)',
    async () => {
      const hidden = hiding(libraries.map(([, , path]) => path!))
      const loadLocal = [process.execPath, '--eval', `require(${JSON.stringify(local)})`]
      await expect(inHome([...hidden, ...loadLocal])).rejects.toThrow('file too short')
      expectSampled(await inHome([...hidden, ...asUser, join(programs, 'node'), 'sample.cjs']))
    },
  )

  it('offer the command of the main package', async () => {
    const command = join(home, 'node_modules/.bin/transfusion')
    expect((await inHome([...asUser, join(programs, 'node'), command, '--help'])).stdout).toContain(
      'transfusion',
    )
  })

  it.each([
    ['nodenext', { module: 'nodenext' }, ['module.mts', 'script.cts']],
    // TypeScript's node16 has no `require` of ES modules, which Node 20.19 has.
    ['node16', { module: 'node16' }, ['module.mts']],
    ['bundler', { module: 'preserve', moduleResolution: 'bundler' }, ['module.mts']],
  ])('compile with the strictest settings and %s', async (name, modules, sources) => {
    const types = join(home, `types-${name}`)
    await mkdir(types)
    for (const file of sources) await writeFile(join(types, file), typed)
    await writeFile(
      join(types, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...strict, ...modules } }),
    )
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { status, stdout } = spawnSync(process.execPath, [tsc, '--project', types], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  })

  it('are installed again without a word of scripts, and without compiling', async () => {
    const npm = [...asUser, join(programs, 'npm')]
    const options = ['--no-audit', '--no-fund', '--offline']
    const { stdout, stderr } = await inHome([...npm, 'install', ...options])
    expect(stdout.trim()).toMatch(/^up to date in .*$/)
    expect(stderr).toBe('')
    await inHome([...npm, 'rebuild'])
    expect(await readdir(join(home, 'node_modules/transfusion-js'))).not.toContain('build')
  })

  it('bring no build tools; who compiles gets them into the package itself, in the versions that it names', async () => {
    const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    const tools = ['cmake-js', 'node-addon-api', 'node-api-headers', 'node-gyp']
    const present = await readdir(join(home, 'node_modules'))
    expect(present.filter((name) => tools.includes(name))).toEqual([])

    const main = join(home, 'node_modules/transfusion-js')
    const build = [...asUser, join(programs, 'npm'), 'run', 'build:native', '--prefix', main]
    // There is no Python, make or compiler on PATH: a build ends there, after it has its tools.
    await expect(inHome(build)).rejects.toThrow(/FAILED: .* ended with exit code/)
    const installedTools = join(main, 'build/tools/node_modules')
    const addonApi = JSON.parse(await readFile(join(installedTools, 'node-addon-api/package.json'), 'utf8'))
    expect(addonApi.version).toBe(devDependencies['node-addon-api'])
    const again = await inHome(build).catch((error: { stdout: string; stderr: string }) => error)
    expect(again.stdout).not.toContain('Installing')
    expect(await readdir(join(home, 'node_modules'))).toEqual(present)
    expect(await readdir(main)).not.toContain('binding.gyp')
    await rm(join(main, 'build'), { recursive: true })
  })

  it('are of one version, for this platform alone, with the licence of each binary', async () => {
    const manifest = async (path: string) => JSON.parse(await readFile(join(path, 'package.json'), 'utf8'))
    expect(await manifest(installed)).toMatchObject({
      version: (await manifest(root)).version,
      os: [process.platform],
      cpu: [process.arch],
      libc: ['glibc'],
    })
    expect((await readdir(installed)).filter((name) => /\.(node|so\b.*)$/.test(name)).toSorted()).toEqual(
      binaries,
    )
    const readme = await readFile(join(installed, 'README.md'), 'utf8')
    for (const name of binaries) {
      const row = readme.split('\n').find((line) => line.startsWith(`| ${name} |`))!
      const [text] = /licences\/[\w.-]+/.exec(row)!
      expect((await readFile(join(installed, text), 'utf8')).length).toBeGreaterThan(500)
    }
  })

  it('look for libraries beside them, and need nothing else but glibc and libstdc++', () => {
    for (const name of binaries) {
      const dynamic = print('readelf', '--dynamic', '--wide', join(installed, name))
      expect(dynamic).toContain('Library runpath: [$ORIGIN]')
      const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, library]) => library!)
      const system = /^(ld-linux.*|libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s)\.so/
      expect(needed.filter((library) => !system.test(library) && !binaries.includes(library))).toEqual([])
    }
  })

  it('are compiled for any processor of the architecture', async () => {
    const flags = await readFile(join(root, 'build/transfusion.target.mk'), 'utf8')
    expect(flags).toContain('-O3')
    expect(flags).not.toMatch(/-m(arch|tune|avx|cpu)/)
  })

  it('refuse to work together in two versions', async () => {
    const path = join(installed, 'package.json')
    const text = await readFile(path, 'utf8')
    await writeFile(path, JSON.stringify({ ...JSON.parse(text), version: '0.0.9' }))
    try {
      await expect(inHome([...asUser, join(programs, 'node'), 'sample.cjs'])).rejects.toThrow(
        new RegExp(`platform package ${platformPackage}: it is version 0.0.9, this is transfusion-js`),
      )
    } finally {
      await writeFile(path, text)
    }
  })
})
