import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { parquetToJsonl } from '../../../lib/data/parquet/parquet_to_jsonl.js'
import { openJsonlSource } from '../../../lib/data/sources/jsonl/jsonl_source.js'
import { temporaryFolder } from '../../temporary_folder.js'

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/parquet/${name}`, import.meta.url))
const { rows } = JSON.parse(await readFile(fixture('expected.json'), 'utf8')) as {
  rows: { caption: string; path: string | null; sha256: string; bytes: number }[]
}

it.each(['snappy', 'zstd'])("converts a data set of Hugging Face's: %s", async (compression) => {
  const out = join(await temporaryFolder(), 'out.jsonl')
  const told: number[] = []
  const parquet = fixture(`${compression}.parquet`)
  expect(await parquetToJsonl([parquet], out, { onRows: (count) => told.push(count) })).toBe(rows.length)
  expect(told.at(-1)).toBe(rows.length)
  const lines = (await readFile(out, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.map(({ caption, image }) => ({ caption, path: image.path }))).toEqual(
    rows.map(({ caption, path }) => ({ caption, path })),
  )
  for (const [i, { image }] of lines.entries()) {
    const bytes = Buffer.from(image.bytes, 'base64')
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(rows[i]!.sha256)
  }
})

it('gives what training reads', async () => {
  const out = join(await temporaryFolder(), 'out.jsonl')
  const files = [fixture('zstd.parquet'), fixture('snappy.parquet')]
  expect(await parquetToJsonl(files, out)).toBe(2 * rows.length)
  const source = await openJsonlSource({ path: out })
  const read: unknown[] = []
  const unread: string[] = []
  for await (const document of source.once()) {
    // One of the captions is empty.
    if ('error' in document) {
      unread.push(document.error.message)
      continue
    }
    const image = document.parts.find((part) => part.type === 'image')!
    const text = document.parts.find((part) => part.type === 'text')!
    read.push([text.text, 'bytes' in image && createHash('sha256').update(image.bytes).digest('hex')])
  }
  const expected = rows.flatMap(({ caption, sha256 }) => (caption === '' ? [] : [[caption.trim(), sha256]]))
  expect(read).toEqual([...expected, ...expected])
  expect(unread).toEqual([8, 20].map((line) => `${out}:${line}:\n  caption: expected string; received ""`))
})

it('leaves what was there where a file is none, or is damaged', async () => {
  const folder = await temporaryFolder()
  const out = join(folder, 'out.jsonl')
  await writeFile(out, 'before')
  const whole = await readFile(fixture('snappy.parquet'))
  await writeFile(join(folder, 'cut.parquet'), whole.subarray(0, whole.length - 300))
  await writeFile(join(folder, 'text.parquet'), '{"a": 1}\n')
  for (const [name, message] of [
    ['cut.parquet', 'cut.parquet: cannot be read as Parquet ('],
    ['text.parquet', 'text.parquet: is no Parquet file: it does not begin with PAR1'],
    ['none.parquet', 'none.parquet: cannot be read ('],
  ] as const)
    await expect(parquetToJsonl([fixture('zstd.parquet'), join(folder, name)], out)).rejects.toThrow(message)
  const stopped = parquetToJsonl([fixture('zstd.parquet')], out, {
    signal: AbortSignal.abort(new Error('enough')),
  })
  await expect(stopped).rejects.toThrow('enough')
  expect(await readFile(out, 'utf8')).toBe('before')
  expect(existsSync(join(folder, 'none.parquet'))).toBe(false)
})
