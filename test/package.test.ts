import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { entryFiles } from './entries.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs a module in a Node of its own, inside the package, so that the package's name resolves to dist/. */
function runNode(code: string, type: 'module' | 'commonjs', env: NodeJS.ProcessEnv = {}) {
  return execFileSync(process.execPath, [`--input-type=${type}`, '--eval', code], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: 'pipe',
  }).trim()
}

describe('the package', () => {
  const entries = Object.keys(entryFiles).map((entry) => entry.replace('.', 'transfusion-js'))

  it.each(entries)('loads %s by import and by require, without a warning, as the same objects', (entry) => {
    const code = `
      import { createRequire } from 'node:module'
      import * as imported from '${entry}'
      process.on('warning', (warning) => { throw warning })
      const required = createRequire(process.cwd() + '/')('${entry}')
      const names = Object.keys(imported)
      setImmediate(() => console.log(names.length > 5 && names.every((name) => imported[name] === required[name])))`
    expect(runNode(code, 'module')).toBe('true')
  })

  it.each(entries)('loads %s by require alone', (entry) => {
    expect(runNode(`console.log(typeof require('${entry}'))`, 'commonjs')).toBe('object')
  })

  it('has the entries that package.json names, and no way past them', () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(Object.keys(exports)).toEqual([...Object.keys(entryFiles), './package.json'])
    for (const [entry, source] of Object.entries(entryFiles)) {
      const built = source.replace('lib', './dist').replace('.ts', '')
      expect(exports[entry]).toEqual({ types: `${built}.d.ts`, default: `${built}.js` })
    }
    expect(() => runNode(`require('transfusion-js/dist/index.js')`, 'commonjs')).toThrow(
      'ERR_PACKAGE_PATH_NOT_EXPORTED',
    )
  })

  it('exports each name from one entry only', () => {
    const names = Object.values(entryFiles).flatMap((source) => {
      const text = readFileSync(join(root, source), 'utf8')
      return [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) =>
        list!.split(',').flatMap((item) => item.trim().split(/\s+/).at(-1) || []),
      )
    })
    expect(names.length).toBeGreaterThan(300)
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
  })

  it('has one version in package.json and package-lock.json, and pins each dependency', () => {
    const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'))
    const { version, dependencies, devDependencies } = read('package.json')
    expect(read('package-lock.json').version).toBe(version)
    for (const range of Object.values({ ...dependencies, ...devDependencies })) {
      expect(range).toMatch(/^\d+\.\d+\.\d+$/)
    }
  })
})

describe('a clone', () => {
  /** The files of the repository as they are here. */
  function clone(packages: boolean): string {
    const place = mkdtempSync(join(tmpdir(), 'transfusion-js-clone-'))
    const files = execFileSync('git', ['ls-files', '-z', '--cached'], { cwd: root, encoding: 'utf8' })
    for (const file of files
      .split('\0')
      .filter((path) => /^(?!test|docs|\.)./.test(path) && existsSync(join(root, path))))
      cpSync(join(root, file), join(place, file))
    if (packages) symlinkSync(realpathSync(join(root, 'node_modules')), join(place, 'node_modules'))
    return place
  }
  const npm = (place: string, ...args: string[]) => spawnSync('npm', args, { cwd: place, encoding: 'utf8' })

  it('has dist/ after npm ci, and in an install from its URL, and is packed with it', () => {
    const place = clone(true)
    // npm ci runs it, and so does the install that npm starts in its clone of a git URL.
    const { status, stderr } = npm(place, 'run', 'postprepare')
    expect(status, stderr).toBe(0)
    const { stdout } = npm(place, 'pack', '--dry-run', '--json', '--silent', '--ignore-scripts')
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
    const paths = files.map(({ path }) => path)
    const entries = Object.values(entryFiles).map((source) => source.replace('lib', 'dist'))
    const built = entries.flatMap((source) => [source.replace('.ts', '.js'), source.replace('.ts', '.d.ts')])
    expect(paths).toEqual(
      expect.arrayContaining([
        ...built,
        'dist/cli/main.js',
        'dist/reporting/browser/page.js',
        'dist/binding.gyp',
        'lib/index.ts',
      ]),
    )
    // With it npm would compile wherever it installs the package.
    expect(paths).not.toContain('binding.gyp')
    rmSync(place, { recursive: true })
  })

  it('of which nothing can be built yet is not packed, and says what to do; npm ci goes through', () => {
    const place = clone(false)
    const packed = npm(place, 'pack')
    expect(packed.status).toBe(1)
    expect(packed.stderr).toContain('FAILED: typescript is not installed: npm ci brings it')
    expect(npm(place, 'run', 'postprepare').status).toBe(0)
    rmSync(place, { recursive: true })
  })

  it('has no scripts that npm asks the projects about that depend on it', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const asked = /^(preinstall|install|postinstall|prepare)$/
    expect(Object.keys(scripts).filter((name) => asked.test(name))).toEqual([])
  })
})

describe('the native loader', () => {
  const load = (env: NodeJS.ProcessEnv) => runNode(`import './dist/native.js'`, 'module', env)

  it('names an override that does not exist, the remedy, and nothing else', () => {
    const path = resolve('no/such/transfusion.node')
    expect(() => load({ TRANSFUSION_NATIVE: path })).toThrow(
      new RegExp(
        `Tried:\\n  - TRANSFUSION_NATIVE=${path}: no such file\\nRemedies.*\\n  - set TRANSFUSION_NATIVE .*\\nMore: `,
      ),
    )
  })

  it('reports why a binary that is there does not load', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'transfusion-')), 'transfusion.node')
    writeFileSync(path, 'not a binary')
    expect(() => load({ TRANSFUSION_NATIVE: path })).toThrow(/- TRANSFUSION_NATIVE=.*: .*(invalid|too short)/)
  })

  it('takes no other name of a dispatch target', () => {
    expect(() => load({ TRANSFUSION_SIMD: 'AVX2' })).toThrow(
      'TRANSFUSION_SIMD: expected "avx512", "avx2", "baseline" or nothing, received "AVX2"',
    )
    expect(() => load({ TRANSFUSION_SIMD: '' })).not.toThrow()
  })

  it('says what to do where a bundler has taken it out of the package', () => {
    const place = mkdtempSync(join(tmpdir(), 'transfusion-'))
    cpSync(join(root, 'dist'), join(place, 'out'), { recursive: true })
    symlinkSync(realpathSync(join(root, 'node_modules')), join(place, 'node_modules'))
    const bundled = (env: NodeJS.ProcessEnv) =>
      runNode(`import ${JSON.stringify(join(place, 'out/native.js'))}`, 'module', env)
    const message = `transfusion-js: a bundler has taken it into ${place}/out/native.js.`
    writeFileSync(join(place, 'package.json'), '{ "name": "theirs", "version": "2.0.0", "type": "module" }')
    expect(() => bundled({ TRANSFUSION_NATIVE: '' })).toThrow(message)
    expect(() => bundled({ TRANSFUSION_NATIVE: resolve('no/such.node') })).toThrow(
      'no/such.node: no such file',
    )
    rmSync(place, { recursive: true })
  })

  it('lists every place it tried in a package without a binary', () => {
    const place = mkdtempSync(join(tmpdir(), 'transfusion-'))
    const code = `
      const fs = require('fs'), path = require('path')
      fs.cpSync('dist', path.join(${JSON.stringify(place)}, 'dist'), { recursive: true })
      fs.copyFileSync('package.json', path.join(${JSON.stringify(place)}, 'package.json'))
      fs.symlinkSync(fs.realpathSync('node_modules'), path.join(${JSON.stringify(place)}, 'node_modules'))
      require(path.join(${JSON.stringify(place)}, 'dist/native.js'))`
    const env = { TRANSFUSION_NATIVE: '', XDG_CACHE_HOME: join(place, 'cache') }
    const platform = `${process.platform}-${process.arch}`
    expect(() => runNode(code, 'commonjs', env)).toThrow(
      new RegExp(
        `local build ${place}/build/.*: no such file\\n` +
          `  - user cache ${place}/cache/transfusion-js/.*-${platform}/transfusion.node: no such file\\n` +
          `  - platform package @transfusion-js/${platform}: Cannot find.*\\n` +
          `Remedies.*\\n(  - .*\\n){3}More: ${place}/docs/troubleshooting.md#no-native-binary`,
      ),
    )
  })
})
