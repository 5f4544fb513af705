// The floors of lib/ (docs/architecture.md): imports run downward, and only a few rooms know a particular model.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const lib = fileURLToPath(new URL('../lib', import.meta.url))

/** From the top. A file may import from its own room and from rooms below; '.': files that lie in lib/ itself. */
const floors: readonly (readonly string[])[] = [
  ['cli'],
  ['index.ts', 'entry'],
  ['experiments'],
  ['evaluation'],
  ['run'],
  ['transfusion.ts'],
  ['reporting'],
  ['generation'],
  ['models'],
  ['training'],
  ['nn'],
  ['ops'],
  ['autograd', 'profiling'],
  ['datasets'],
  ['data'],
  ['tensor', 'diffusion', 'sequence'],
  ['tokenizer', 'image'],
  ['files'],
  ['config'],
  ['.'],
]

/** Who may import lib/models/NAME/...; all others know models by interfaces, or by lib/models/registry.ts. */
const knowsModels = ['models', 'experiments', 'cli', 'transfusion.ts', 'index.ts', 'entry']

interface Import {
  readonly from: string
  readonly to: string
}

/** The imports of lib's files, dynamic ones and types included; paths from lib/. */
function importsOfLib(): Import[] {
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  return files.flatMap((from) =>
    Array.from(
      readFileSync(join(lib, from), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g),
      ([, path]) => ({ from, to: normalize(join(dirname(from), path!)).replace(/\.js$/, '.ts') }),
    ),
  )
}

const roomOf = (path: string): string => {
  const first = path.split('/')[0]!
  return path.includes('/') || floors.some((rooms) => rooms.includes(first)) ? first : '.'
}

const floorOf = (path: string): number => floors.findIndex((rooms) => rooms.includes(roomOf(path)))

/** Paths along imports that end where they begin, one for each import that closes a circle. */
function circlesOf(imports: readonly Import[]): string[][] {
  const targets = new Map<string, string[]>()
  for (const { from, to } of imports) targets.set(from, [...(targets.get(from) ?? []), to])
  const circles: string[][] = []
  const finished = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file])
    if (path.includes(file) || finished.has(file)) return
    for (const to of targets.get(file) ?? []) visit(to, [...path, file])
    finished.add(file)
  }
  for (const file of targets.keys()) visit(file, [])
  return circles
}

const shown = ({ from, to }: Import): string => `lib/${from} imports lib/${to}`

describe('the floors of lib', () => {
  const imports = importsOfLib()

  it('have a place for every file', () => {
    const files = imports.flatMap(({ from, to }) => [from, to])
    expect([...new Set(files.filter((file) => floorOf(file) < 0))]).toEqual([])
    expect(imports.length).toBeGreaterThan(1000)
  })

  it('are imported downward only', () => {
    const upward = imports.filter(
      ({ from, to }) => roomOf(from) !== roomOf(to) && floorOf(to) <= floorOf(from),
    )
    expect(upward.map(shown)).toEqual([])
  })

  it('have files that do not import each other in a circle', () => {
    expect(circlesOf(imports)).toEqual([])
    const circle = [
      { from: 'a.ts', to: 'b.ts' },
      { from: 'b.ts', to: 'c.ts' },
      { from: 'c.ts', to: 'b.ts' },
    ]
    expect(circlesOf(circle)).toEqual([['b.ts', 'c.ts', 'b.ts']])
  })

  it('know models by their interfaces', () => {
    const known = imports.filter(
      ({ from, to }) => /^models\/[^/]+\//.test(to) && !knowsModels.includes(roomOf(from)),
    )
    expect(known.map(shown)).toEqual([])
  })

  it('load the addon in one place', () => {
    const loaders = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter(
      (path) => path.endsWith('.ts') && /\.node['"`]/.test(readFileSync(join(lib, path), 'utf8')),
    )
    expect(loaders).toEqual(['native.ts'])
  })
})

/** Named on the page as what is to come. */
const planned = ['lib/server/', 'lib/distributed/']

it('is described by files that exist', () => {
  const root = join(lib, '..')
  const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  const named = [...page.matchAll(/`((?:lib|native|test|scripts)\/[\w./*]*)`/g)].map(([, path]) => path!)
  const exists = (path: string): boolean => {
    const [folder, name] = path.split('/**/')
    if (name === undefined) return existsSync(join(root, path))
    const files = readdirSync(join(root, folder!), { recursive: true, encoding: 'utf8' })
    return files.some((file) => basename(file) === name)
  }
  expect(named.length).toBeGreaterThan(50)
  expect(named.filter((path) => !path.includes('NAME') && !exists(path))).toEqual(planned)
})

it('is described by interfaces that are where the page says', () => {
  const root = join(lib, '..')
  const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `(\w+)`, `(lib\/[\w./]+)`/gm)]
  const absent = rows.filter(
    ([, name, path]) =>
      !new RegExp(`^export interface ${name}\\b`, 'm').test(readFileSync(join(root, path!), 'utf8')),
  )
  expect(absent.map(([row]) => row)).toEqual([])
  expect(rows.length).toBeGreaterThan(3)
})

it('has what scripts, benchmarks and examples import from dist', () => {
  const root = join(lib, '..')
  const programs = ['scripts', 'bench', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.mjs'))
      .map((path) => join(folder, path)),
  )
  const imported = programs.flatMap((program) =>
    Array.from(
      readFileSync(join(root, program), 'utf8').matchAll(/import \{([^}]*)\} from '[./]*dist\/([^']+)\.js'/g),
      ([, names, path]) => ({
        program,
        path: `${path}.ts`,
        names: names!.match(/\w+(?= as |,|\s*$)/g) ?? [],
      }),
    ),
  )
  const missing = imported.flatMap(({ program, path, names }) => {
    const text = existsSync(join(lib, path)) ? readFileSync(join(lib, path), 'utf8') : ''
    const absent = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))
    return absent.map((name) => `${program}: ${name} of lib/${path}`)
  })
  expect(missing).toEqual([])
  expect(imported.length).toBeGreaterThan(20)
})
