// Writes lib/kernels.generated.ts, the TypeScript face of the kernel contract, from native/kernels.h.
//   node scripts/generate-kernels.mjs            writes the file when it changed
//   node scripts/generate-kernels.mjs --check    fails when the file is not current
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { Failure, main } from './run.mjs'

const root = new URL('..', import.meta.url)
const source = new URL('native/kernels.h', root)
const target = new URL('lib/kernels.generated.ts', root)

const types = {
  Out: 'Handle',
  OutAny: 'Handle',
  OutOptional: 'Handle | undefined',
  Part: 'Handle',
  Acc: 'Handle | undefined',
  InOut: 'Handle',
  State: 'Handle',
  StateOut: 'Handle | undefined',
  In: 'Handle',
  InAny: 'Handle',
  InOptional: 'Handle | undefined',
  InList: 'readonly Handle[]',
  f32: 'number',
  i64: 'number',
  bool: 'boolean',
}

/**
 * The kernels declared in the text of a header, in its order. Throws a Failure naming the kernel on a kind it
 * does not know, an argument without a name, a kernel declared twice, and an entry it cannot read.
 * @param {string} header
 * @returns {{ name: string, args: { kind: keyof typeof types, name: string }[] }[]}
 */
export function parseKernels(header) {
  const code = header
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/\/\/.*$/gm, ' ')
    .replace(/\\\r?\n/g, ' ')
  const kernels = []
  const seen = new Set()
  for (const [, name, list] of code.matchAll(/\bK\(\s*(\w+)\s*,\s*\(([^()]*)\)\s*\)/g)) {
    if (seen.has(name)) throw new Failure('kernels-h', `kernels.h: ${name} is declared twice`)
    seen.add(name)
    const args = list.split(',').map((text) => {
      const [kind, arg, ...rest] = text.trim().split(/\s+/)
      if (!(kind in types) || arg === undefined || rest.length > 0) {
        throw new Failure('kernels-h', `kernels.h: ${name}: cannot read the argument "${text.trim()}"`)
      }
      return { kind, name: arg }
    })
    kernels.push({ name, args })
  }
  const entries = code.match(/#define KERNELS\(K\)(.*)/)?.[1].match(/\bK\b/g) ?? []
  if (entries.length !== kernels.length) {
    throw new Failure(
      'kernels-h',
      `kernels.h: KERNELS has ${entries.length} entries, of which ${kernels.length} could be read`,
    )
  }
  return kernels
}

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())

function render(kernels) {
  const methods = kernels.map(({ name, args }) => {
    const parameters = args.map((arg) => `${camel(arg.name)}: ${types[arg.kind]}`)
    return `  ${name}(${parameters.join(', ')}): void\n`
  })
  return (
    '// Generated from native/kernels.h by scripts/generate-kernels.mjs.\n\n' +
    '/** A native tensor, as the addon numbers it. */\n' +
    'export type Handle = number\n\n' +
    `export interface Kernels {\n${methods.join('')}}\n`
  )
}

/** Brings lib/kernels.generated.ts up to date and returns whether it was not. */
export function generateKernels({ check = false } = {}) {
  const kernels = existsSync(source) ? parseKernels(readFileSync(source, 'utf8')) : []
  const text = render(kernels)
  const stale = !existsSync(target) || readFileSync(target, 'utf8') !== text
  if (stale && !check) writeFileSync(target, text)
  return stale
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  main(() => {
    const check = process.argv.includes('--check')
    if (generateKernels({ check }) && check) {
      throw new Failure('kernels-h', 'lib/kernels.generated.ts is not current: run `npm run build`')
    }
  })
}
