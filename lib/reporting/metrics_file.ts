import { createReadStream } from 'node:fs'
import type { MetricsRecord, SamplesRecord } from './interval.js'

/** A line of a metrics file, ended by a line feed. */
export interface MetricsLine {
  /** From 1. */
  number: number
  /** Bytes of the file up to its end. */
  end: number
  /** Undefined where the line holds none. */
  record: MetricsRecord | SamplesRecord | undefined
}

/** Longer than any record: no more of a line is kept, so that a file of anything else takes no memory. */
const longestLine = 2 ** 16

/**
 * The lines of a metrics file, read as a stream; none where there is no file. A last line without its line feed, which
 * a run may be writing, is left out.
 */
export async function* metricsLines(path: string): AsyncGenerator<MetricsLine, void, undefined> {
  let number = 0
  for await (const { text, end } of wholeLines(path))
    yield { number: ++number, end, record: text === undefined ? undefined : recordOf(text) }
}

/** Lines ended by a line feed, with the bytes up to their end; text is undefined where there is too much. */
async function* wholeLines(path: string): AsyncGenerator<{ text: string | undefined; end: number }> {
  let begun: Buffer = Buffer.alloc(0)
  let tooLong = false
  let end = 0
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      const data: Buffer = begun.length === 0 ? chunk : Buffer.concat([begun, chunk])
      let start = 0
      for (let feed; (feed = data.indexOf(lineFeed, start)) >= 0; start = feed + 1) {
        end += feed + 1 - start
        yield { text: tooLong ? undefined : data.toString('utf8', start, feed), end }
        tooLong = false
      }
      begun = data.subarray(start)
      if (begun.length > longestLine) {
        end += begun.length
        begun = Buffer.alloc(0)
        tooLong = true
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

const lineFeed = 0x0a

function recordOf(line: string): MetricsRecord | SamplesRecord | undefined {
  try {
    const record = JSON.parse(line) as MetricsRecord | SamplesRecord | OldRecord | null
    if (typeof record?.step !== 'number') return undefined
    if ('samples' in record) return { step: record.step, samples: numbersIn(record.samples) }
    const { terms, counts, per_second, ...same } = isOld(record) ? fromOldRecord(record) : record
    // A file may hold anything.
    return {
      ...same,
      terms: numbersIn(terms),
      counts: numbersIn(counts),
      per_second: numbersIn(per_second),
    }
  } catch {
    return undefined
  }
}

/** A record as runs wrote it while text and image losses were the only ones. */
type OldRecord = Omit<MetricsRecord, 'terms' | 'counts' | 'per_second'> & {
  lm: number | null
  diffusion: number | null
  positions: number
  targets: number
  images: number
  positions_per_second: number
}

const isOld = (record: MetricsRecord | OldRecord): record is OldRecord => !('terms' in record)

function fromOldRecord(record: OldRecord) {
  const { lm, diffusion, positions, targets, images, positions_per_second, ...same } = record
  return {
    ...same,
    terms: { lm, diffusion },
    counts: { positions, targets, images },
    per_second: { positions: positions_per_second },
  }
}

/** The members of an object that are numbers. */
const numbersIn = (values: unknown): Record<string, number> =>
  Object.fromEntries(
    Object.entries(values ?? {}).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  )
