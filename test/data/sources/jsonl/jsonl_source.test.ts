import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { RawDocument } from '../../../../lib/data/document.js'
import type { UnreadableDocument } from '../../../../lib/data/sources/document_source.js'
import { openJsonlSource } from '../../../../lib/data/sources/jsonl/jsonl_source.js'
import { collect } from '../../stream/documents.js'
import { temporaryFolder } from '../../../temporary_folder.js'

async function read(lines: (object | string)[], field?: string) {
  const folder = await temporaryFolder()
  const path = join(folder, 'lines.jsonl')
  const content = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
  await writeFile(path, content.join('\n'))
  return { folder, path, documents: await collect((await openJsonlSource({ path, field })).once()) }
}

const partsOf = (document: RawDocument | UnreadableDocument) =>
  'parts' in document ? document.parts : undefined

describe('openJsonlSource', () => {
  it('reads text and images in any order, captions, and texts', async () => {
    const png = Buffer.from('not really a PNG')
    const { folder, path, documents } = await read([
      { parts: ['first ', { image: 'pictures/a.png' }, { image: '/b.jpg' }, ' then'], id: 7 },
      { image: 'a.png', caption: ' a cat\n' },
      { image: `data:image/png;base64,${png.toString('base64')}`, text: 'inline' },
      { text: ' some text\n', meta: {} },
    ])
    const image = (source: object) => ({ type: 'image', ...source })
    expect(documents.map(partsOf)).toEqual([
      [
        { type: 'text', text: 'first ' },
        image({ path: join(folder, 'pictures/a.png') }),
        image({ path: '/b.jpg' }),
        { type: 'text', text: ' then' },
      ],
      [{ type: 'text', text: 'a cat' }, image({ path: join(folder, 'a.png') })],
      [{ type: 'text', text: 'inline' }, image({ bytes: png })],
      [{ type: 'text', text: ' some text\n' }],
    ])
    expect(documents.map(({ name }) => name)).toEqual([1, 2, 3, 4].map((line) => `${path}:${line}`))
  })

  it('takes the text from another field', async () => {
    const { documents } = await read([{ content: 'a' }, { image: 'a.png', content: 'b' }], 'content')
    expect(documents.map((document) => partsOf(document)?.[0])).toEqual([
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ])
  })

  it.each([
    ['{"text": "cut sh', /:1: not JSON \(column 10: a text is not closed/],
    ['{"texts": "a"}', /:1:\n {2}text: .*expected string; received nothing/],
    ['[1]', /:1:\n {2}\(whole value\): .*expected object; received \[1\]/],
    ['null', /:1:\n {2}\(whole value\): .*expected object; received null/],
    ['{"parts": []}', /:1:\n {2}parts: .*received \[\]/],
    [
      '{"parts": ["a", {"picture": "a.png"}]}',
      /:1:\n {2}parts\[1\]: expected a text or \{"image": "a.png"\}; received/,
    ],
    ['{"image": "a.png"}', /:1:\n {2}text: .*received nothing/],
    ['{"image": "a.png", "caption": " "}', /:1: its text is empty/],
    ['{"text": "\\n"}', /:1: its text is empty/],
  ])('says what is wrong with %s', async (line, message) => {
    const { documents } = await read([line, '', { text: 'fine' }])
    expect(documents).toHaveLength(2)
    expect((documents[0] as UnreadableDocument).error.message).toMatch(message)
    expect(documents[1]!.name).toMatch(/:3$/)
  })

  it('shuffles each epoch, and goes on from any cursor', async () => {
    const folder = await temporaryFolder()
    for (const file of [0, 1]) {
      const lines = Array.from({ length: 9 }, (_, i) => JSON.stringify({ text: `${file}-${i}` }))
      await writeFile(join(folder, `${file}.jsonl`), lines.join('\n'))
    }
    const source = await openJsonlSource({ path: folder })
    expect(source.length).toBe(18)
    const take = async (count: number, cursor?: Readonly<Record<string, number>>) => {
      const items = source.read(5, cursor)
      const taken = []
      while (taken.length < count) taken.push((await items.next()).value!)
      await items.return!()
      return taken
    }
    const whole = await take(36)
    const texts = whole.map(({ document }) => JSON.stringify(partsOf(document)))
    expect(new Set(texts.slice(0, 18)).size).toBe(18)
    expect(texts.slice(18)).not.toEqual(texts.slice(0, 18))
    expect(texts.slice(18).toSorted()).toEqual(texts.slice(0, 18).toSorted())
    for (const at of [0, 8, 17, 18, 30])
      expect(await take(5, whole[at]!.next)).toEqual(whole.slice(at + 1, at + 6))
    await expect(take(1, { shard: 1 })).rejects.toThrow('cursor.position must be an integer from 0')
  })

  const lines = '{"text":"one"}\r\n\r\n{"text":"zw\u00f6lf"}\r\n'
  const utf16be = Buffer.from(`\ufeff${lines}`, 'utf16le').swap16()

  it.each([
    ['UTF-8 with a mark', Buffer.from(`\ufeff${lines}`)],
    ['UTF-16', Buffer.from(`\ufeff${lines}`, 'utf16le')],
    ['UTF-16, big end first', utf16be],
    ['gzipped', gzipSync(lines)],
    ['gzipped in pieces', Buffer.concat([gzipSync(lines.slice(0, 20)), gzipSync(lines.slice(20))])],
    ['UTF-16, gzipped', gzipSync(utf16be)],
  ])('reads %s by content', async (_, bytes) => {
    const path = join(await temporaryFolder(), 'lines.jsonl')
    await writeFile(path, bytes)
    const documents = await collect((await openJsonlSource({ path })).once())
    expect(documents.map(({ name }) => name)).toEqual([`${path}:1`, `${path}:3`])
    expect(documents.map((document) => partsOf(document)?.[0])).toEqual([
      { type: 'text', text: 'one' },
      { type: 'text', text: 'zw\u00f6lf' },
    ])
  })

  it('leaves out files that cannot be read where others can, and counts what else a folder holds', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'a.jsonl'), lines)
    await writeFile(join(folder, 'b.jsonl.gz'), gzipSync(lines).subarray(0, 20))
    await writeFile(join(folder, 'c.jsonl'), Buffer.from(lines, 'utf16le'))
    await writeFile(join(folder, 'd.jsonl'), ' \n')
    for (const name of ['a.png', '._a.jsonl', 'e.json', 'e.parquet']) await writeFile(join(folder, name), '')
    const source = await openJsonlSource({ path: folder })
    expect(source.length).toBe(2)
    expect(source.unreadable!.map(({ error }) => error.message.slice(folder.length + 1))).toEqual([
      'b.jsonl.gz: cannot be read (unexpected end of file)',
      expect.stringMatching(/^c\.jsonl: cannot be read \(its start: its text holds zero bytes/),
    ])
    expect((await collect(source.once())).map(({ name }) => name.slice(folder.length + 1))).toEqual([
      'b.jsonl.gz',
      'c.jsonl',
      'a.jsonl:1',
      'a.jsonl:3',
    ])
    expect(source.leftOut!.summary).toEqual([
      `left out: 2 other files (first: ${join(folder, 'e.json')})`,
      `left out: 1 empty file (${join(folder, 'd.jsonl')})`,
    ])
  })

  it.each([
    [
      'a.json',
      '[{"text": "a"},\n{"text": "b"}]',
      /a\.json: is one JSON array, not JSON Lines: .*jq -c '\.\[\]'/,
    ],
    ['a.jsonl', '[{"text": "a"}]\n', /is one JSON array/],
    ['a.jsonl', '{\n  "text": "a"\n}\n', /is one JSON object, not JSON Lines/],
    ['metadata.csv', 'file_name,text\n', /is a table, which is not read: convert it to JSON Lines/],
    ['a.jsonl', 'PAR1....', /is a Parquet file, which is not read: convert it to JSON Lines/],
    ['a.jsonl', Buffer.from('28b52ffd', 'hex'), /is compressed with zstd/],
    ['a.tar', '', /a\.tar: is not what "type": "jsonl" reads; "type": "tar" reads it/],
    ['a.png', '', /a\.png: is an image; "type": "jsonl" does not read images/],
    ['a.jsonl', 'version https://git-lfs.github.com/spec/v1\noid sha256:0', /is a Git LFS pointer/],
  ])('says what %s is instead', async (name, content, message) => {
    const path = join(await temporaryFolder(), name)
    await writeFile(path, content)
    await expect(openJsonlSource({ path })).rejects.toThrow(message)
  })
})
