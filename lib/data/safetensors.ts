import { open, type FileHandle } from 'node:fs/promises'
import { writeAtomically } from './atomic_file.js'
import {
  ELEMENT_SIZES,
  LARGEST_HEADER,
  SafetensorsError,
  elementCount,
  parseHeader,
  type FileDtype,
  type TensorEntry,
} from './safetensors_header.js'

export { SafetensorsError } from './safetensors_header.js'

/** Row-major values of a tensor. bf16 is kept as its bits. */
export type SafetensorsTensor = { readonly shape: readonly number[] } & (
  | { readonly dtype: 'f32'; readonly data: Float32Array }
  | { readonly dtype: 'bf16'; readonly data: Uint16Array }
  | { readonly dtype: 'i32'; readonly data: Int32Array }
  | { readonly dtype: 'i64'; readonly data: BigInt64Array }
)

export interface SafetensorsFile {
  readonly metadata: Record<string, string>
  readonly tensors: Map<string, SafetensorsTensor>
}

const LENGTH_SIZE = 8

/**
 * Reads a safetensors file (github.com/huggingface/safetensors): F32, BF16, I32 and I64 as they are, F16 widened
 * to f32. The header is checked against the file's size before any tensor is allocated.
 * @throws SafetensorsError for a malformed file; the file system's error where it cannot be opened
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    if (size < LENGTH_SIZE)
      throw new SafetensorsError(
        `${path}: holds ${size} bytes; a safetensors file has at least ${LENGTH_SIZE}`,
      )
    const length = (await readFully(file, new BigUint64Array(1), 0, path))[0]
    const largest = Math.min(LARGEST_HEADER, size - LENGTH_SIZE)
    if (length > BigInt(largest)) {
      throw new SafetensorsError(
        `${path}: announces a header of ${length} bytes; this file of ${size} bytes has room for ${largest}`,
      )
    }
    const dataStart = LENGTH_SIZE + Number(length)
    const json = await readFully(file, new Uint8Array(Number(length)), LENGTH_SIZE, path)
    const { metadata, entries } = parseHeader(json, size - dataStart, path)
    const tensors = new Map<string, SafetensorsTensor>()
    for (const entry of entries) tensors.set(entry.name, await readTensor(file, entry, dataStart, path))
    return { metadata, tensors }
  } finally {
    await file.close()
  }
}

async function readTensor(
  file: FileHandle,
  { dtype, shape, begin }: TensorEntry,
  dataStart: number,
  path: string,
): Promise<SafetensorsTensor> {
  const count = elementCount(shape)
  const read = <T extends NodeJS.TypedArray>(array: T) => readFully(file, array, dataStart + begin, path)
  switch (dtype) {
    case 'F32':
      return { dtype: 'f32', shape, data: await read(new Float32Array(count)) }
    case 'F16':
      return { dtype: 'f32', shape, data: Float32Array.from(await read(new Uint16Array(count)), halfToFloat) }
    case 'BF16':
      return { dtype: 'bf16', shape, data: await read(new Uint16Array(count)) }
    case 'I32':
      return { dtype: 'i32', shape, data: await read(new Int32Array(count)) }
    case 'I64':
      return { dtype: 'i64', shape, data: await read(new BigInt64Array(count)) }
  }
}

/** Linux reads at most 2 GiB at once, and any read may give less than was asked for. */
const LARGEST_READ = 2 ** 30

async function readFully<T extends NodeJS.TypedArray>(
  file: FileHandle,
  array: T,
  position: number,
  path: string,
): Promise<T> {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  for (let done = 0; done < bytes.length;) {
    const length = Math.min(bytes.length - done, LARGEST_READ)
    const { bytesRead } = await file.read(bytes, done, length, position + done)
    if (bytesRead === 0) throw new SafetensorsError(`${path}: was cut short while it was read`)
    done += bytesRead
  }
  return array
}

/** The value of an IEEE half: 1 sign bit, 5 exponent bits, 10 fraction bits. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const FILE_DTYPES = {
  f32: { dtype: 'F32', array: Float32Array },
  bf16: { dtype: 'BF16', array: Uint16Array },
  i32: { dtype: 'I32', array: Int32Array },
  i64: { dtype: 'I64', array: BigInt64Array },
} as const satisfies Record<SafetensorsTensor['dtype'], { dtype: FileDtype; array: unknown }>

/**
 * Writes a safetensors file, whole or not at all. The bytes depend on the content alone: wide elements first, so
 * that all are aligned, then by name.
 * @throws SafetensorsError where a tensor's data is not of its dtype or not as long as its shape says
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const [name, tensor] of tensors) checkTensor(name, tensor, path)
  const width = ({ dtype }: SafetensorsTensor) => ELEMENT_SIZES[FILE_DTYPES[dtype].dtype]
  const ordered = [...tensors].toSorted(([a, x], [b, y]) => width(y) - width(x) || (a < b ? -1 : 1))

  let end = 0
  const entries = ordered.map(([name, { dtype, shape, data }]) => {
    const begin = end
    end += data.byteLength
    return [name, { dtype: FILE_DTYPES[dtype].dtype, shape, data_offsets: [begin, end] }]
  })
  const header = {
    ...(Object.keys(metadata).length > 0 && { __metadata__: metadata }),
    ...Object.fromEntries(entries),
  }
  const json = Buffer.from(JSON.stringify(header))
  const padding = (LENGTH_SIZE - (json.length % LENGTH_SIZE)) % LENGTH_SIZE
  const length = Buffer.alloc(LENGTH_SIZE)
  length.writeBigUInt64LE(BigInt(json.length + padding))

  await writeAtomically(path, async (file) => {
    await writeFully(file, Buffer.concat([length, json, Buffer.alloc(padding, ' ')]))
    for (const [, { data }] of ordered) await writeFully(file, data)
  })
}

async function writeFully(file: FileHandle, array: NodeJS.TypedArray): Promise<void> {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  for (let done = 0; done < bytes.length;) {
    const length = Math.min(bytes.length - done, LARGEST_READ)
    done += (await file.write(bytes, done, length)).bytesWritten
  }
}

function checkTensor(name: string, { dtype, shape, data }: SafetensorsTensor, path: string): void {
  const { array } = FILE_DTYPES[dtype]
  if (name === '__metadata__') throw new SafetensorsError(`${path}: "__metadata__" cannot name a tensor`)
  if (!(data instanceof array)) {
    throw new SafetensorsError(`${path}: tensor "${name}" is ${dtype}, whose values are a ${array.name}`)
  }
  if (data.length !== elementCount(shape)) {
    throw new SafetensorsError(
      `${path}: tensor "${name}" has ${data.length} values; its shape [${shape.join(', ')}] has ${elementCount(shape)}`,
    )
  }
}
