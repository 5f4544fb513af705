// docs/troubleshooting.md has a section for each error of the set-up scripts, with the message as printed.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8')

/** The text under each heading of the third level, by the heading as links have it. */
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((text) => {
      const [heading] = text.split('\n', 1)
      return [slugOf(heading!), text.split(/^## /m)[0]!] as const
    }),
)

/** As GitHub and npm make anchors of headings. */
function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-')
}

/** The lines of a section that quote what is printed. */
const quotesIn = (section: string) =>
  [...sections.get(section)!.matchAll(/^ {4,}(\S.*)$/gm)].map(([, line]) => line!)

function sourcesIn(folder: string, extension: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => extension.test(path))
    .map((path) => readFileSync(join(root, folder, path), 'utf8'))
}

/** A template's text as a pattern of what it prints, its first line. */
const patternOf = (template: string) =>
  template
    .split('\\n')[0]!
    .split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('.+')

describe('the page of troubleshooting', () => {
  const scripts = sourcesIn('scripts', /\.mjs$/)
  const failures = scripts.flatMap((text) => [
    ...text.matchAll(/new Failure\(\s*'([\w-]+)',\s*(?:`((?:[^`\\]|\\.)*)`|'([^']*)')/g),
  ])

  it('is named by every failure of the scripts, with a section', () => {
    const thrown = scripts.reduce((count, text) => count + text.split('new Failure(').length - 1, 0)
    expect(failures.length).toBe(thrown)
    expect(scripts.join().match(/throw new (?!Failure)\w+/g)).toBeNull()
    for (const [, section] of failures) expect([...sections.keys()]).toContain(section)
  })

  it.each(failures.map(([, section, template, text]) => ({ section: section!, text: template ?? text! })))(
    '$section quotes: $text',
    ({ section, text }) => {
      const printed = new RegExp(`^FAILED: ${patternOf(text)}`)
      expect(quotesIn(section).filter((line) => printed.test(line))).not.toEqual([])
    },
  )

  it('is pointed to by a script that fails, which ends with 1', () => {
    const code = `import { Failure, main } from './scripts/run.mjs'
      main(() => { throw new Failure('missing', 'missing: a compiler') })`
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(stderr).toBe('\nFAILED: missing: a compiler\nMore: docs/troubleshooting.md#missing\n')
    expect(status).toBe(1)
  })

  it('is pointed to by the loader of the addon', () => {
    const [loader] = sourcesIn('lib', /^native\.ts$/)
    const [, section] = /docs\/troubleshooting\.md'\)\}#([\w-]+)/.exec(loader!)!
    expect([...sections.keys()]).toContain(section)
  })

  it('links to sections that are there, and to each of them', () => {
    const linked = [...page.matchAll(/\]\(#([\w-]+)\)/g)].map(([, section]) => section!)
    expect(new Set(linked)).toEqual(new Set(sections.keys()))
  })

  it('quotes messages that the code still has', () => {
    const sources = [...sourcesIn('lib', /\.ts$/), ...sourcesIn('native', /\.(cc|h)$/)]
      .join('\n')
      // Strings that go on in the next line.
      .replace(/['`"] \+\s*['`"]/g, '')
      .replace(/"\s*\n\s*"/g, '')
    const own = [...page.matchAll(/^## (Loading|Run time)\n([^]*?)(?=^## |(?![^]))/gm)]
    const quotes = own.flatMap(([, , text]) => [...text!.matchAll(/^ {4}(\S.*)$/gm)].map(([, line]) => line!))
    expect(quotes.length).toBeGreaterThan(20)
    const found = (quote: string) => {
      // Three words in a row, for others differ: names, numbers.
      const words = quote.replace(/ \.\.\.$/, '').split(' ')
      return words.some(
        (_, i) => i <= Math.max(0, words.length - 3) && sources.includes(words.slice(i, i + 3).join(' ')),
      )
    }
    expect(quotes.filter((quote) => !/^(Error \[ERR_|FILE:$)/.test(quote) && !found(quote))).toEqual([])
  })
})
