import { open, type FileHandle } from 'node:fs/promises'
import { explainFullDisk } from '../files/atomic_file.js'

/**
 * A file that is appended to: text waits in memory until `flush` writes it. Where a flush fails, the next one writes the same
 * text again from the same byte, so that a disk that was full for a while leaves neither a gap nor half a record.
 */
export class AppendFile {
  #waiting: Buffer[] = []
  /** Settles when the last flush has ended: flushes write one at a time. */
  #flushed: Promise<void> = Promise.resolve()
  #file: Pick<FileHandle, 'write' | 'datasync' | 'close'>
  #length: number

  /** Opens a file, or makes it, and cuts it off after its first `length` bytes. */
  static async open(path: string, length = 0): Promise<AppendFile> {
    const file = await open(path, length > 0 ? 'r+' : 'w')
    try {
      if (length > 0) await file.truncate(length)
    } catch (error) {
      await file.close()
      throw error
    }
    return new AppendFile(path, file, length)
  }

  /** `length`: the bytes that the file has. */
  constructor(
    readonly path: string,
    file: Pick<FileHandle, 'write' | 'datasync' | 'close'>,
    length: number,
  ) {
    this.#file = file
    this.#length = length
  }

  append(data: string | Buffer): void {
    this.#waiting.push(Buffer.from(data))
  }

  /** Writes what was appended and syncs it to disk. Rejects with an Error that names the file and the reason. */
  flush(): Promise<void> {
    const flushed = this.#flushed.then(() => this.#write())
    this.#flushed = flushed.catch(() => {})
    return flushed
  }

  /** Writes the rest and closes the file, also where writing fails. */
  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      await this.#file.close()
    }
  }

  async #write(): Promise<void> {
    if (this.#waiting.length === 0) return
    const data = Buffer.concat(this.#waiting)
    // Text that is appended during the write goes into the next flush.
    this.#waiting = [data]
    try {
      for (let done = 0; done < data.length;) {
        const { bytesWritten } = await this.#file.write(data, done, data.length - done, this.#length + done)
        done += bytesWritten
      }
      await this.#file.datasync()
    } catch (error) {
      const explained = await explainFullDisk(error as NodeJS.ErrnoException, this.path, data.length)
      if (explained !== error) throw explained
      throw new Error(`${this.path}: cannot be written (${explained.message})`, { cause: error })
    }
    this.#waiting.shift()
    this.#length += data.length
  }
}
