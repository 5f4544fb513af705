/** The beginning of a GGUF file (github.com/ggml-org/ggml, docs/gguf.md): what it says of the model, and where its tensors lie. */
import type { FileHandle } from 'node:fs/promises'
import { formatValue } from '../../describe.js'
import { otherFormat } from '../file_formats.js'
import { readFully } from '../read_fully.js'
import { type BlockType, blockTypeName, blockTypes } from './block_types.js'

/** A GGUF file that cannot be read; the message names the file and what of it is at fault. */
export class GgufError extends Error {
  override readonly name = 'GgufError'
}

/** A value of the metadata; integers that a number cannot hold are bigints. */
export type GgufValue = number | bigint | boolean | string | readonly (number | bigint | boolean | string)[]

/** A tensor of the file. */
export interface GgufTensor {
  readonly name: string
  /** Row-major, the extent of a row last: ggml's own order turned around. */
  readonly shape: readonly number[]
  readonly type: BlockType
  /** Its first byte in the file. */
  readonly begin: number
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

const magic = 'GGUF'
const versions = [2, 3]
/** ggml's most. */
const mostAxes = 4
const defaultAlignment = 32
/** Read at first; a vocabulary of 100,000 tokens takes 4 MB. */
const firstRead = 2 ** 23

/** Thrown where the header goes on beyond the bytes that were read. */
const needsMore = Symbol('needs more')

/** Reads values one after another from the first bytes of a file of `size`; none is taken for there that lies beyond its end. */
class Cursor {
  position = 0

  constructor(
    readonly view: DataView,
    private readonly size: number,
    private readonly path: string,
  ) {}

  fail(problem: string): never {
    throw new GgufError(`${this.path}: ${problem}`)
  }

  /** Where the next `bytes` lie, which are of `what`. */
  take(bytes: number | bigint, what: string): number {
    const { position } = this
    const left = this.size - position
    if (bytes > left) this.fail(`${what} at byte ${position} takes ${bytes} bytes; the file has ${left} more`)
    const end = position + Number(bytes)
    if (end > this.view.byteLength) throw needsMore
    this.position = end
    return position
  }

  u32 = (what: string): number => this.view.getUint32(this.take(4, what), true)

  u64 = (what: string): bigint => this.view.getBigUint64(this.take(8, what), true)

  string(what: string): string {
    const length = this.u64(what)
    const at = this.take(length, what)
    return Buffer.from(this.view.buffer, at, Number(length)).toString()
  }

  /** How many things of at least `bytes` each follow: never more than the file has room for. */
  count(bytes: number, what: string): number {
    const count = this.u64(`the number of ${what}`)
    const left = this.size - this.position
    if (count * BigInt(bytes) > left)
      this.fail(
        `announces ${count} ${what}, each of at least ${bytes} bytes; the file has ${left} more bytes`,
      )
    return Number(count)
  }
}

interface ScalarType {
  readonly bytes: number
  readonly read: (view: DataView, at: number) => number | bigint | boolean
}

const safe = (value: bigint): number | bigint => (BigInt.asIntN(53, value) === value ? Number(value) : value)

/** By their numbers in a file; 8 is a string, 9 an array. */
const scalarTypes: ReadonlyMap<number, ScalarType> = new Map([
  [0, { bytes: 1, read: (view, at) => view.getUint8(at) }],
  [1, { bytes: 1, read: (view, at) => view.getInt8(at) }],
  [2, { bytes: 2, read: (view, at) => view.getUint16(at, true) }],
  [3, { bytes: 2, read: (view, at) => view.getInt16(at, true) }],
  [4, { bytes: 4, read: (view, at) => view.getUint32(at, true) }],
  [5, { bytes: 4, read: (view, at) => view.getInt32(at, true) }],
  [6, { bytes: 4, read: (view, at) => view.getFloat32(at, true) }],
  [7, { bytes: 1, read: (view, at) => view.getUint8(at) !== 0 }],
  [10, { bytes: 8, read: (view, at) => safe(view.getBigUint64(at, true)) }],
  [11, { bytes: 8, read: (view, at) => safe(view.getBigInt64(at, true)) }],
  [12, { bytes: 8, read: (view, at) => view.getFloat64(at, true) }],
])
const stringType = 8
const arrayType = 9
/** Bytes of an empty string. */
const leastString = 8

function readItem(cursor: Cursor, type: number, what: string): number | bigint | boolean | string {
  if (type === stringType) return cursor.string(what)
  const scalar = scalarTypes.get(type)
  if (!scalar)
    return cursor.fail(
      `${what} has values of the type ${type}; the format's are 0 to 12, an array's items no arrays`,
    )
  return scalar.read(cursor.view, cursor.take(scalar.bytes, what))
}

function readValue(cursor: Cursor, what: string): GgufValue {
  const type = cursor.u32(what)
  if (type !== arrayType) return readItem(cursor, type, what)
  const itemType = cursor.u32(what)
  const count = cursor.count(scalarTypes.get(itemType)?.bytes ?? leastString, `items of ${what}`)
  return Array.from({ length: count }, () => readItem(cursor, itemType, what))
}

/** A tensor as it is announced; its place counts from the data's beginning, which is not yet known. */
function readTensor(cursor: Cursor): GgufTensor {
  const name = cursor.string('the name of a tensor')
  const what = `tensor "${name}"`
  const axes = cursor.u32(what)
  if (axes > mostAxes) cursor.fail(`${what} has ${axes} axes; the format has at most ${mostAxes}`)
  const shape: number[] = []
  for (let i = 0; i < axes; i++) shape.unshift(Number(cursor.u64(what)))
  const number = cursor.u32(what)
  const type = blockTypes.get(number)
  if (!type) {
    const read = [...blockTypes.values()].map(({ name }) => name).join(', ')
    return cursor.fail(`${what} is of the type ${blockTypeName(number)}; those read are ${read}`)
  }
  const row = shape.at(-1) ?? 1
  if (row % type.values !== 0)
    cursor.fail(`${what} has rows of ${row} values; those of ${type.name} are multiples of ${type.values}`)
  return { name, shape, type, begin: Number(cursor.u64(what)) }
}

/** The bytes that a tensor takes. */
export const tensorBytes = ({ shape, type }: Pick<GgufTensor, 'shape' | 'type'>): number =>
  (shape.reduce((product, extent) => product * extent, 1) / type.values) * type.bytes

/** Least bytes of an entry of the metadata, and of a tensor's. */
const [leastEntry, leastTensor] = [13, 24]

/**
 * Reads and checks the header of an open file of `size` bytes: nothing is allocated beyond that.
 * @throws GgufError
 */
export async function readHeader(file: FileHandle, size: number, path: string): Promise<GgufHeader> {
  for (let length = firstRead; ; length *= 4) {
    const bytes = await readFully(file, new Uint8Array(Math.min(length, size)), 0, path, GgufError)
    try {
      return parseHeader(new Cursor(new DataView(bytes.buffer), size, path), size)
    } catch (error) {
      if (error !== needsMore) throw error
    }
  }
}

function parseHeader(cursor: Cursor, size: number): GgufHeader {
  checkBeginning(cursor)
  const tensorCount = cursor.count(leastTensor, 'tensors')
  const entryCount = cursor.count(leastEntry, 'entries of metadata')
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < entryCount; i++) {
    const key = cursor.string('a key of the metadata')
    if (metadata.has(key)) cursor.fail(`has the key "${key}" twice`)
    metadata.set(key, readValue(cursor, `"${key}"`))
  }
  const announced = Array.from({ length: tensorCount }, () => readTensor(cursor))
  return { metadata, tensors: placed(announced, metadata, cursor, size) }
}

function checkBeginning(cursor: Cursor): void {
  const bytes = new Uint8Array(cursor.view.buffer, 0, Math.min(cursor.view.byteLength, 64))
  const found = Buffer.from(bytes).subarray(0, magic.length).toString('latin1')
  if (found !== magic)
    cursor.fail(otherFormat(bytes) ?? `begins with ${formatValue(found)}; a GGUF file begins with "${magic}"`)
  const at = cursor.take(8, 'the beginning') + magic.length
  const version = cursor.view.getUint32(at, true)
  if (!versions.includes(version))
    cursor.fail(
      versions.includes(cursor.view.getUint32(at))
        ? 'is a GGUF file of big-endian values; those read are little-endian'
        : `is of GGUF version ${version}; those read are ${versions.join(' and ')}`,
    )
}

/** The tensors by name, once it is known where the data begins. */
function placed(
  announced: readonly GgufTensor[],
  metadata: ReadonlyMap<string, GgufValue>,
  cursor: Cursor,
  size: number,
): Map<string, GgufTensor> {
  const alignment = metadata.get('general.alignment') ?? defaultAlignment
  if (typeof alignment !== 'number' || !Number.isInteger(alignment) || alignment < 1)
    return cursor.fail(`"general.alignment" is ${formatValue(alignment)}; expected a positive integer`)
  const data = Math.ceil(cursor.position / alignment) * alignment
  const tensors = new Map<string, GgufTensor>()
  for (const tensor of announced) {
    const { name } = tensor
    const begin = data + tensor.begin
    const end = begin + tensorBytes(tensor)
    if (tensors.has(name)) cursor.fail(`has the tensor "${name}" twice`)
    if (tensor.begin % alignment !== 0)
      cursor.fail(`tensor "${name}" begins at byte ${tensor.begin} of the data, no multiple of ${alignment}`)
    if (!(end <= size))
      cursor.fail(`tensor "${name}" ends at byte ${end}; the file has ${size} bytes: it is cut short`)
    tensors.set(name, { ...tensor, begin })
  }
  return tensors
}
