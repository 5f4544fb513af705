import { Transform, type TransformCallback } from 'node:stream'

/** The unit that tar files are made of, in bytes. */
const block = 512

/** Passes on the bytes of a tar file and watches for what ends it. */
export class TarTail extends Transform {
  #last = Buffer.alloc(0)

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#last = Buffer.concat([this.#last, chunk.subarray(-block)]).subarray(-block)
    done(null, chunk)
  }

  /**
   * Whether the last block was all zeros, once all have passed. Two should be; with one of them no member is lost. A
   * member that ends so itself would hide their absence: an image or a caption does not.
   */
  get ended(): boolean {
    return this.#last.length === block && this.#last.every((byte) => byte === 0)
  }
}
