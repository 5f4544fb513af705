import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { textsOf } from '../../../lib/data/sources/document_source.js'
import { openTextSource } from '../../../lib/data/sources/text_source.js'
import { collect } from '../stream/documents.js'
import { temporaryFolder } from '../../temporary_folder.js'

async function folderWith(files: Record<string, string>): Promise<string> {
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
})
