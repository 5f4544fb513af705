import { readFile } from 'node:fs/promises'
import { AppendFile } from './append_file.js'
import type { MetricsRecord } from './interval.js'

/** Metrics as JSON lines, one record a line. */
export class MetricsLog {
  readonly #file: AppendFile

  /** Opens a file to append to. Lines of steps beyond `step` are cut off, as is a last one that is torn: a resumed run writes them anew. */
  static async open(path: string, step: number): Promise<MetricsLog> {
    return new MetricsLog(await AppendFile.open(path, keptBytes(await readText(path), step)))
  }

  private constructor(file: AppendFile) {
    this.#file = file
  }

  add(record: MetricsRecord): void {
    this.#file.append(`${JSON.stringify(record)}\n`)
  }

  /** Rejects as AppendFile's: what was not written is written the next time. */
  flush(): Promise<void> {
    return this.#file.flush()
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

/** The records of a metrics file, up to the first line that is none; none where there is no file. */
export async function readMetrics(path: string): Promise<MetricsRecord[]> {
  const records: MetricsRecord[] = []
  for (const line of wholeLines(await readText(path))) {
    const record = recordOf(line)
    if (!record) break
    records.push(record)
  }
  return records
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
}

const wholeLines = (text: string): string[] => text.split('\n').slice(0, -1)

/** The bytes of the records at the beginning that are of steps up to `step`. */
function keptBytes(text: string, step: number): number {
  let bytes = 0
  for (const line of wholeLines(text)) {
    const record = recordOf(line)
    if (!record || record.step > step) break
    bytes += Buffer.byteLength(line) + 1
  }
  return bytes
}

function recordOf(line: string): MetricsRecord | undefined {
  try {
    const record = JSON.parse(line) as MetricsRecord | null
    return typeof record?.step === 'number' ? record : undefined
  } catch {
    return undefined
  }
}
