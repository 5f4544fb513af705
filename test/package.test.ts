import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

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
  it('loads by import and by require, without a warning, as the same objects', () => {
    const code = `
      import { createRequire } from 'node:module'
      import * as imported from 'transfusion-js'
      process.on('warning', (warning) => { throw warning })
      const required = createRequire(process.cwd() + '/')('transfusion-js')
      const names = Object.keys(imported)
      setImmediate(() => console.log(names.length > 0 && names.every((name) => imported[name] === required[name])))`
    expect(runNode(code, 'module')).toBe('true')
  })

  it('loads by require alone', () => {
    expect(runNode(`console.log(typeof require('transfusion-js'))`, 'commonjs')).toBe('object')
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
