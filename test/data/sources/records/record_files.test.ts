import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RecordFiles } from '../../../../lib/data/sources/records/record_files.js'
import type { RecordFormat } from '../../../../lib/data/sources/records/record_index.js'
import { temporaryFolder } from '../../../temporary_folder.js'

/** Writes files and opens their records. */
async function open(contents: (string | Uint8Array)[], format: RecordFormat) {
  const folder = await temporaryFolder()
  const paths = contents.map((_, i) => join(folder, `${i}.txt`))
  await Promise.all(contents.map((content, i) => writeFile(paths[i]!, content)))
  return RecordFiles.open(paths, format)
}

async function readAll(files: RecordFiles): Promise<string[]> {
  const reader = files.reader()
  const records = Array.from({ length: files.length }, (_, i) => files.length - 1 - i)
  const read = new Map<number, string>()
  for (const index of records) read.set(index, await reader.read(index))
  await reader.close()
  return records.toReversed().map((index) => read.get(index)!)
}

describe('RecordFiles', () => {
  it('finds the records of several files, but no blank ones, and knows where they stand', async () => {
    const files = await open(['a\n\n  \nbb\n', '', '\n', 'c', 'd\ne\n'], { separator: '\n' })
    expect((await readAll(files)).map((record) => record.trim())).toEqual(['a', 'bb', 'c', 'd', 'e'])
    const places = Array.from({ length: files.length }, (_, i) => files.place(i))
    expect(places.map(({ number }) => number)).toEqual([0, 3, 0, 0, 1])
    expect(places.map(({ path }) => path.at(-5))).toEqual(['0', '0', '3', '4', '4'])
  })

  it.each(['\n', '\n\n', '<|end|>'])(
    'agrees with split at %j, across the borders of what is read at once',
    async (separator) => {
      const texts = Array.from({ length: 3000 }, (_, i) => `${'ab<|en\u00e9 '.repeat((i * 37) % 130)}${i}`)
      for (const shift of [0, 1, 3]) {
        const content = 'x'.repeat(shift) + texts.join(separator)
        const files = await open([content], { separator })
        const records = (await readAll(files)).map((record) => record.split(separator)[0])
        expect(records).toEqual(content.split(separator))
      }
    },
  )

  it('leaves out blank records whose separator crosses a border', async () => {
    const separator = '<|end|>'
    const content = 'x'.repeat(2 ** 20 - 10) + separator + separator + 'y'
    expect((await open([content], { separator })).length).toBe(2)
  })

  it('cuts long records after a line, else after a space, and never within a character', async () => {
    const longest = 1000
    for (const [content, ending] of [
      ['one line of text\n'.repeat(300), /\n$/],
      ['words '.repeat(900), / $/],
      ['\u20ac\u{1f600}'.repeat(600), /$/],
    ] as const) {
      const files = await open([content], { longest })
      const pieces = await readAll(files)
      expect(pieces.join('')).toBe(content)
      for (const piece of pieces) {
        expect(Buffer.byteLength(piece)).toBeLessThanOrEqual(longest)
        expect(piece).toMatch(ending)
      }
      expect(files.length).toBeLessThan(2 + (1.1 * Buffer.byteLength(content)) / longest)
    }
  })

  it('names the file that is missing, blank, not UTF-8 or has become shorter', async () => {
    await expect(RecordFiles.open(['/none.txt'], {})).rejects.toThrow('/none.txt: cannot be read (ENOENT')
    await expect(open(['\n \n'], {})).rejects.toThrow('0.txt: nothing but white space')
    const reader = (await open([Uint8Array.of(65, 0xff, 10)], {})).reader()
    await expect(reader.read(0)).rejects.toThrow('0.txt: cannot be read at byte 0 (its text is not UTF-8)')
    await reader.close()

    const files = await open(['a\nb\n'], { separator: '\n' })
    await writeFile(files.place(0).path, 'a\n')
    const later = files.reader()
    await expect(later.read(1)).rejects.toThrow('at byte 2 (it has become shorter since it was opened)')
    await later.close()
  })

  it('reads more files than it holds open', async () => {
    const files = await open(
      Array.from({ length: 200 }, (_, i) => `text ${i}`),
      {},
    )
    expect(await readAll(files)).toEqual(Array.from({ length: 200 }, (_, i) => `text ${i}`))
  })
})
