import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { textsOf } from '../../../lib/data/sources/document_source.js'
import { openTextSource } from '../../../lib/data/sources/text_source.js'
import { collect } from '../stream/documents.js'
import { temporaryFolder } from '../../temporary_folder.js'

async function folderWith(files: Record<string, string | Uint8Array>): Promise<string> {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'deep'))
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  return folder
}

describe('openTextSource', () => {
  it('takes each file of a folder as a document', async () => {
    const path = await folderWith({
      'b.txt': 'second\n\nstill',
      'a.txt': ' first\n',
      'deep/c.txt': 'third',
      'd.md': '',
    })
    const source = await openTextSource({ path })
    expect(await collect(textsOf(source))).toEqual(['first', 'second\n\nstill', 'third'])
  })

  it('splits files at a separator', async () => {
    const path = await folderWith({ 'a.txt': 'one\n\n\n\ntwo\nlines\n\nthree\n', 'b.txt': 'four' })
    const source = await openTextSource({ path, separator: '\n\n' })
    expect(await collect(textsOf(source))).toEqual(['one', 'two\nlines', 'three', 'four'])
    const names = (await collect(source.once())).map(({ name }) => name.slice(path.length + 1))
    expect(names).toEqual(['a.txt: text 1', 'a.txt: text 3', 'a.txt: text 4', 'b.txt: text 1'])
  })

  it('cuts what is longer than 64 KiB, losing nothing but white space', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}`).join('\n')
    const source = await openTextSource({ path: join(await folderWith({ 'a.txt': lines }), 'a.txt') })
    const texts = await collect(textsOf(source))
    expect(texts.length).toBeGreaterThan(2)
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThanOrEqual(2 ** 16)
    expect(texts.join('\n')).toBe(lines)
  })

  it('reads lines that end as on Windows, UTF-16 and gzip as any text', async () => {
    const text = 'one\r\n\r\ntwo\r\nlines\r\n\r\n\r\nthree'
    const files = {
      'a.txt': text,
      'b.txt': Buffer.from(`\ufeff${text}`, 'utf16le'),
      'c.txt.gz': gzipSync(text),
      'd.txt': text.replaceAll('\r\n', '\n'),
    }
    const path = await folderWith(files)
    for (const separator of ['\n\n', '\r\n\r\n']) {
      const texts = await collect(textsOf(await openTextSource({ path, separator })))
      expect(texts).toEqual(Object.keys(files).flatMap(() => ['one', 'two\nlines', 'three']))
    }
  })

  it('passes over folders that are called like files, and names what is no text', async () => {
    const path = await folderWith({ 'a.txt': 'a', 'deep/b.txt': 'b', 'c.txt': Buffer.from([0x63, 0xff]) })
    await mkdir(join(path, 'shots.txt'))
    const documents = await collect((await openTextSource({ path: join(path, '*.txt') })).once())
    expect(
      documents.map((document) => ('error' in document ? document.error.message : document.name)),
    ).toEqual([
      join(path, 'a.txt'),
      `${join(path, 'c.txt')}: cannot be read at byte 0 (its text is not UTF-8)`,
    ])
  })

  it.each([
    ['a.jsonl', /a\.jsonl: is not what "type": "text" reads; "type": "jsonl" reads it/],
    ['a.jsonl.gz', /"type": "jsonl" reads it/],
    ['a.tgz', /"type": "tar" reads it/],
    ['a.webp', /a\.webp: is an image; .*"type": "folder" reads a folder of images and captions/],
  ])('refuses %s, and says which type reads it', async (name, message) => {
    const path = await folderWith({ [name]: 'x' })
    await expect(openTextSource({ path: join(path, name) })).rejects.toThrow(message)
    await expect(openTextSource({ path })).rejects.toThrow(/holds no files that end with \.txt.*; it holds/)
  })
})
