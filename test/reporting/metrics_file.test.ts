import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { metricsLines } from '../../lib/reporting/metrics_file.js'
import { temporaryFolder } from '../temporary_folder.js'

async function linesOf(content: string | undefined) {
  const path = join(await temporaryFolder(), 'metrics.jsonl')
  if (content !== undefined) await writeFile(path, content)
  const lines = []
  for await (const line of metricsLines(path)) lines.push(line)
  return lines
}

it('gives each whole line, its number and its end, with the record where it holds one', async () => {
  const content = '{"step":10,"note":"é"}\n\nnull\n{"step":"x"}\n{"step":20}\n{"step":30}'
  const lines = await linesOf(content)
  expect(lines.map(({ number, record }) => [number, record?.step])).toEqual([
    [1, 10],
    [2, undefined],
    [3, undefined],
    [4, undefined],
    [5, 20],
  ])
  expect(lines[0]!.end).toBe(24)
  expect(lines.at(-1)!.end).toBe(Buffer.byteLength(content) - '{"step":30}'.length)
})

it('gives nothing where there is no file', async () => {
  expect(await linesOf(undefined)).toEqual([])
})

it('goes over lines of any length, and past the chunks of a stream', async () => {
  const long = 'x'.repeat(300_000)
  const records = Array.from({ length: 20_000 }, (_, i) => `{"step":${i}}\n`).join('')
  const content = `{"step":1}\n${long}\n${records}`
  const lines = await linesOf(content)
  expect(lines).toHaveLength(20_002)
  expect(lines[1]).toEqual({ number: 2, end: 11 + 300_001, record: undefined })
  expect(lines.slice(2).every(({ record }, i) => record!.step === i)).toBe(true)
  expect(lines.at(-1)!.end).toBe(content.length)
})

it('reads records of runs that knew text and image losses alone', async () => {
  const old = {
    step: 10,
    seconds: 2,
    lm: 1.5,
    diffusion: null,
    gradient_norm: 1,
    positions: 300,
    targets: 30,
    images: 0,
    positions_per_second: 150,
    flops_per_second: 1e9,
  }
  const [{ record }] = (await linesOf(`${JSON.stringify(old)}\n`)) as [Awaited<ReturnType<typeof linesOf>>[0]]
  expect(record).toEqual({
    step: 10,
    seconds: 2,
    terms: { lm: 1.5 },
    gradient_norm: 1,
    counts: { positions: 300, targets: 30, images: 0 },
    per_second: { positions: 150 },
    flops_per_second: 1e9,
  })
  const [now] = await linesOf(`${JSON.stringify(record)}\n`)
  expect(now!.record).toEqual(record)
})

it.each(['null', '"text"', '[true]', '{"a":"1","b":null,"c":{}}'])(
  'takes no numbers from terms of %s',
  async (terms) => {
    const [line] = await linesOf(`{"step":1,"terms":${terms},"counts":${terms}}\n`)
    expect(line!.record).toEqual({ step: 1, terms: {}, counts: {}, per_second: {} })
  },
)
