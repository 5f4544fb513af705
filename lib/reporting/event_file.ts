/**
 * TensorBoard's event files: records of TFRecord framing, each a message `Event` of protocol buffers
 * (tensorflow/core/util/event.proto, framework/summary.proto), of which these few fields are written.
 */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { AppendFile } from './append_file.js'
import { crc32c } from './crc32c.js'

/** A PNG with its size in pixels. */
export interface EncodedImage {
  readonly png: Uint8Array
  readonly width: number
  readonly height: number
}

let files = 0

/** Scalars, images and texts by step, in a file of their own for each session. */
export class EventFile {
  readonly #file: AppendFile

  /**
   * A new file in a run's folder, which goes on from `step`: TensorBoard drops the events of earlier files that are
   * beyond it.
   */
  static async create(folder: string, step: number): Promise<EventFile> {
    const seconds = Math.floor(Date.now() / 1000)
    const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${files++}`
    const events = new EventFile(await AppendFile.open(join(folder, name)))
    events.#add(0, message(3, Buffer.from('brain.Event:2')))
    // SessionLog { status: START } drops what is at its step or beyond.
    events.#add(step + 1, message(7, varintField(1, 1)))
    return events
  }

  private constructor(file: AppendFile) {
    this.#file = file
  }

  get path(): string {
    return this.#file.path
  }

  scalars(step: number, values: Readonly<Record<string, number>>): void {
    this.#summary(
      step,
      Object.entries(values).map(([tag, value]) => [tag, floatField(2, value)]),
    )
  }

  image(step: number, tag: string, { png, width, height }: EncodedImage): void {
    const rgb = 3
    const image = [varintField(1, height), varintField(2, width), varintField(3, rgb), message(4, png)]
    this.#summary(step, [[tag, message(4, ...image)]])
  }

  /** `markdown`: as TensorBoard shows it. */
  text(step: number, tag: string, markdown: string): void {
    // TensorProto { dtype: DT_STRING, string_val }, which SummaryMetadata gives to the plugin for texts.
    const tensor = message(8, varintField(1, 7), message(8, Buffer.from(markdown)))
    const metadata = message(9, message(1, message(1, Buffer.from('text'))))
    this.#summary(step, [[tag, Buffer.concat([tensor, metadata])]])
  }

  /** Rejects as AppendFile's: what was not written is written the next time. */
  flush(): Promise<void> {
    return this.#file.flush()
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #summary(step: number, values: readonly (readonly [tag: string, content: Buffer])[]): void {
    this.#add(
      step,
      message(5, ...values.map(([tag, content]) => message(1, message(1, Buffer.from(tag)), content))),
    )
  }

  #add(step: number, content: Buffer): void {
    this.#file.append(
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
