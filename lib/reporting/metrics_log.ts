import { open, readFile, type FileHandle } from 'node:fs/promises'
import type { MetricsRecord } from './interval.js'

/** Metrics as JSON lines, one record a line. */
export class MetricsLog {
  readonly #file: FileHandle
  #waiting = ''

  /** Opens a file to append to. Lines of steps beyond `step` are cut off, as is a last one that is torn: a resumed run writes them anew. */
  static async open(path: string, step: number): Promise<MetricsLog> {
    const file = await open(path, 'a+')
    try {
      await file.truncate(keptBytes(await readFile(path, 'utf8'), step))
    } catch (error) {
      await file.close()
      throw error
    }
    return new MetricsLog(file)
  }

  private constructor(file: FileHandle) {
    this.#file = file
  }

  add(record: MetricsRecord): void {
    this.#waiting += `${JSON.stringify(record)}\n`
  }

  /** Writes what was added. Rejects with the file system's error; what was not written is written the next time. */
  async flush(): Promise<void> {
    const text = this.#waiting
    this.#waiting = ''
    try {
      await this.#file.appendFile(text)
    } catch (error) {
      this.#waiting = text + this.#waiting
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** The bytes of the whole lines at the beginning that are of steps up to `step`. */
function keptBytes(text: string, step: number): number {
  let bytes = 0
  for (const line of text.split('\n').slice(0, -1)) {
    if (!(stepOf(line) <= step)) break
    bytes += Buffer.byteLength(line) + 1
  }
  return bytes
}

function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as MetricsRecord).step
  } catch {
    return NaN
  }
}
