import { AppendFile } from './append_file.js'
import type { MetricsRecord, SamplesRecord } from './interval.js'
import { metricsLines } from './metrics_file.js'

/** Metrics as JSON lines, one record a line. */
export class MetricsLog {
  readonly #file: AppendFile

  /**
   * Opens a file to append to. Lines of steps beyond `step` are cut off, as is a last one that is torn: a resumed run
   * writes them anew.
   */
  static async open(path: string, step: number): Promise<MetricsLog> {
    return new MetricsLog(await AppendFile.open(path, await keptBytes(path, step)))
  }

  private constructor(file: AppendFile) {
    this.#file = file
  }

  add(record: MetricsRecord | SamplesRecord): void {
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

/** The bytes up to the last record before one that is of a step beyond `step`. */
async function keptBytes(path: string, step: number): Promise<number> {
  let bytes = 0
  for await (const { record, end } of metricsLines(path)) {
    if (record && record.step > step) break
    if (record) bytes = end
  }
  return bytes
}
