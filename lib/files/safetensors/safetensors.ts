import type { FileHandle } from 'node:fs/promises'
import { checkArguments } from '../../arguments.js'
import { writeAtomically } from '../atomic_file.js'
import { Checksum, summedAtOnce } from '../checksum.js'
import { bytesOf, elementCount, lengthSize, SafetensorsError, type FileDtype } from './safetensors_header.js'
import { SafetensorsReader, type SafetensorsTensor } from './safetensors_reader.js'

export { SafetensorsError } from './safetensors_header.js'
export type { SafetensorsTensor } from './safetensors_reader.js'

/** What a safetensors file holds. */
export interface SafetensorsFile {
  /** Texts by name, `__metadata__` in the file. */
  readonly metadata: Readonly<Record<string, string>>
  /** By name. */
  readonly tensors: Map<string, SafetensorsTensor>
}

/**
 * Reads a whole safetensors file into memory; see {@link SafetensorsReader} for its tensors one by one.
 * @throws SafetensorsError for a malformed file, and for a tensor of a dtype that is not read; the file system's error
 *   where it cannot be opened
 */
export async function readSafetensors(path: string, sum?: Checksum): Promise<SafetensorsFile> {
  checkArguments('readSafetensors', { path: [path, 'string'] })
  await using reader = await SafetensorsReader.open(path, sum)
  const tensors = new Map<string, SafetensorsTensor>()
  for (const name of reader.entries.keys()) tensors.set(name, await reader.read(name))
  return { metadata: reader.metadata, tensors }
}

/** Tensors that are written: those that are read, and bytes. */
export type WrittenTensor =
  SafetensorsTensor | { readonly shape: readonly number[]; readonly dtype: 'u8'; readonly data: Uint8Array }

/** A tensor whose values are read when they are written: of many, only one has to be in memory. */
export interface PendingTensor {
  /** Sizes of the axes, row-major. */
  readonly shape: readonly number[]
  /** As the file names it. */
  readonly dtype: WrittenTensor['dtype']
  /** Called once, when it is written. */
  readonly read: () => Promise<WrittenTensor['data']>
}

const fileDtypes = {
  f32: { dtype: 'F32', array: Float32Array },
  bf16: { dtype: 'BF16', array: Uint16Array },
  i32: { dtype: 'I32', array: Int32Array },
  i64: { dtype: 'I64', array: BigInt64Array },
  u8: { dtype: 'U8', array: Uint8Array },
} as const satisfies Record<WrittenTensor['dtype'], { dtype: FileDtype; array: unknown }>

/**
 * Writes a safetensors file, whole or not at all. The bytes depend on the content alone: wide elements first, so
 * that all are aligned, then by name. Resolves with the file's checksum.
 * @throws SafetensorsError where a tensor's data is not of its dtype or not as long as its shape says
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, WrittenTensor | PendingTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<string> {
  checkArguments('writeSafetensors', { path: [path, 'string'], tensors: [tensors, 'map'] })
  for (const [name, tensor] of tensors) {
    if (name === '__metadata__') throw new SafetensorsError(`${path}: "__metadata__" cannot name a tensor`)
    if ('data' in tensor) checkData(name, tensor, tensor.data, path)
  }
  const bytes = ({ dtype }: Typed, count: number) => bytesOf(fileDtypes[dtype].dtype, count)
  const ordered = [...tensors].toSorted(([a, x], [b, y]) => bytes(y, 1) - bytes(x, 1) || (a < b ? -1 : 1))

  let end = 0
  const entries = ordered.map(([name, tensor]) => {
    const { dtype, shape } = tensor
    const begin = end
    end += bytes(tensor, elementCount(shape))
    return [name, { dtype: fileDtypes[dtype].dtype, shape, data_offsets: [begin, end] }]
  })
  const header = {
    ...(Object.keys(metadata).length > 0 && { __metadata__: metadata }),
    ...Object.fromEntries(entries),
  }
  const json = Buffer.from(JSON.stringify(header))
  const padding = (lengthSize - (json.length % lengthSize)) % lengthSize
  const length = Buffer.alloc(lengthSize)
  length.writeBigUInt64LE(BigInt(json.length + padding))

  const start = Buffer.concat([length, json, Buffer.alloc(padding, ' ')])
  const sum = new Checksum()
  const write = async (file: FileHandle) => {
    await writeFully(file, start, sum)
    for (const [name, tensor] of ordered) {
      const data = 'data' in tensor ? tensor.data : await tensor.read()
      checkData(name, tensor, data, path)
      await writeFully(file, data, sum)
    }
  }
  await writeAtomically(path, write, start.length + end)
  return sum.text
}

async function writeFully(file: FileHandle, array: NodeJS.TypedArray, sum: Checksum): Promise<void> {
  for (let start = 0; start < array.byteLength; start += summedAtOnce) {
    const length = Math.min(array.byteLength - start, summedAtOnce)
    const bytes = new Uint8Array(array.buffer, array.byteOffset + start, length)
    let written = file.write(bytes)
    // While another thread writes.
    sum.add(bytes)
    for (let done = (await written).bytesWritten; done < length; done += (await written).bytesWritten)
      written = file.write(bytes, done)
  }
}

type Typed = Pick<WrittenTensor, 'dtype' | 'shape'>

function checkData(name: string, { dtype, shape }: Typed, data: WrittenTensor['data'], path: string): void {
  const { array } = fileDtypes[dtype]
  if (!(data instanceof array)) {
    throw new SafetensorsError(`${path}: tensor "${name}" is ${dtype}, whose values are a ${array.name}`)
  }
  if (data.length !== elementCount(shape)) {
    throw new SafetensorsError(
      `${path}: tensor "${name}" has ${data.length} values; its shape [${shape.join(', ')}] has ${elementCount(shape)}`,
    )
  }
}
