import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { checkArguments, checkOptions } from '../../arguments.js'
import { writeAtomically } from '../../files/atomic_file.js'

/** What goes beside a conversion. */
export interface ConversionOptions {
  /** Stops it, which then rejects with the signal's reason; nothing is written then. */
  signal?: AbortSignal | undefined
  /** Called after each group of rows, with how many are written so far. */
  onRows?: ((rows: number) => void) | undefined
}

/** Every Parquet file begins with it. */
const magic = 'PAR1'

/**
 * Writes the rows of Parquet files, in their order, as JSON Lines: the layout of Hugging Face's data sets into the one that training
 * and evaluation read. Binary values, of images say, become base64, which they are read from; whole numbers beyond 2^53 and dates
 * become text. A group of rows is in memory at a time. Compression: none, snappy, gzip, zstd, brotli and lz4. Resolves with the
 * number of rows; `out` is whole or as it was.
 *
 * @throws Error that names the file which is none of Parquet's, damaged, or compressed in another way
 */
export async function parquetToJsonl(
  paths: readonly string[],
  out: string,
  options: ConversionOptions = {},
): Promise<number> {
  checkArguments('parquetToJsonl', { paths: [paths, 'strings'], out: [out, 'string'] })
  checkOptions('parquetToJsonl', options, { signal: true, onRows: true })
  const { signal, onRows } = options
  let rows = 0
  await writeAtomically(out, async (file) => {
    for (const path of paths)
      for await (const group of rowGroups(path)) {
        signal?.throwIfAborted()
        for (const row of group) await file.write(`${JSON.stringify(row, jsonValue)}\n`)
        rows += group.length
        onRows?.(rows)
      }
  })
  return rows
}

type Row = Record<string, unknown>

/** The rows of a file, a group at a time. */
async function* rowGroups(path: string): AsyncGenerator<Row[], void, undefined> {
  await checkMagic(path)
  // They are needed here alone, and take a while to load.
  const [{ asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects }, { compressors }] =
    await Promise.all([import('hyparquet'), import('hyparquet-compressors')])
  try {
    const file = await asyncBufferFromFile(path)
    const metadata = await parquetMetadataAsync(file)
    let rowStart = 0
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows)
      yield (await parquetReadObjects({
        file,
        metadata,
        rowStart,
        rowEnd,
        compressors,
        utf8: false,
      })) as Row[]
      rowStart = rowEnd
    }
  } catch (error) {
    throw new Error(`${path}: cannot be read as Parquet (${(error as Error).message})`, { cause: error })
  }
}

async function checkMagic(path: string): Promise<void> {
  let file: FileHandle | undefined
  const begin = Buffer.alloc(magic.length)
  try {
    file = await open(path)
    await file.read(begin)
  } catch (error) {
    throw new Error(`${path}: cannot be read (${(error as Error).message})`, { cause: error })
  } finally {
    await file?.close()
  }
  if (begin.toString('latin1') !== magic)
    throw new Error(`${path}: is no Parquet file: it does not begin with ${magic}`)
}

/** For JSON.stringify, which hands over what a value's toJSON gives: dates are texts by then. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
  return value
}
