/**
 * TensorBoard's event files: records of TFRecord framing, each a message `Event` of protocol buffers
 * (tensorflow/core/util/event.proto, framework/summary.proto), of which these few fields are written.
 */
import { appendFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { crc32c } from './crc32c.js'

/** A PNG with its size in pixels. */
export interface EncodedImage {
  readonly png: Uint8Array
  readonly width: number
  readonly height: number
}

/** Scalars and images by step, in a file of their own for each process. */
export class EventFile {
  readonly path: string
  #waiting: Buffer[] = []

  /** A new file in a run's folder; events of another file at `step` and beyond are dropped by TensorBoard. */
  constructor(folder: string, step: number) {
    const seconds = Math.floor(Date.now() / 1000)
    this.path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}`)
    this.#add(0, message(3, Buffer.from('brain.Event:2')))
    // SessionLog { status: START }
    if (step > 0) this.#add(step, message(7, varintField(1, 1)))
  }

  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const summary = Object.entries(values).map(([tag, value]) =>
      message(1, message(1, Buffer.from(tag)), floatField(2, value)),
    )
    this.#add(step, message(5, ...summary))
  }

  image(step: number, tag: string, { png, width, height }: EncodedImage): void {
    const rgb = 3
    const image = [varintField(1, height), varintField(2, width), varintField(3, rgb), message(4, png)]
    this.#add(step, message(5, message(1, message(1, Buffer.from(tag)), message(4, ...image))))
  }

  /** Writes what was added. Rejects with the file system's error; what was not written is written the next time. */
  async flush(): Promise<void> {
    const records = this.#waiting
    this.#waiting = []
    try {
      await appendFile(this.path, Buffer.concat(records))
    } catch (error) {
      this.#waiting = [...records, ...this.#waiting]
      throw error
    }
  }

  #add(step: number, content: Buffer): void {
    this.#waiting.push(
      record(Buffer.concat([doubleField(1, Date.now() / 1000), varintField(2, step), content])),
    )
  }
}

/** length u64, its masked CRC, the data, their masked CRC; all little-endian. */
function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(data.length))
  return Buffer.concat([length, maskedCrc(length), data, maskedCrc(data)])
}

function maskedCrc(bytes: Buffer): Buffer {
  const crc = crc32c(bytes)
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
  const result = Buffer.alloc(4)
  result.writeUInt32LE(masked)
  return result
}

const wireType = { varint: 0, double: 1, bytes: 2, float: 5 } as const

const key = (field: number, type: keyof typeof wireType): Buffer => varint(field * 8 + wireType[type])

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}

const varintField = (field: number, value: number): Buffer =>
  Buffer.concat([key(field, 'varint'), varint(value)])

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return Buffer.concat([key(field, 'double'), bytes])
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return Buffer.concat([key(field, 'float'), bytes])
}

/** A field of bytes: a string, or a message of its fields. */
function message(field: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([key(field, 'bytes'), varint(content.length), content])
}
