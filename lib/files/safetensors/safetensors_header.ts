import { formatValue } from '../../describe.js'

/** A safetensors file that cannot be read or written; the message names the file and, where one is at fault, the tensor. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError'
}

/** Bits per element of the format's dtypes, under the names that it gives them. */
export const elementBits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E4M3: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2: 8,
  F8_E5M2FNUZ: 8,
  F8_E8M0: 8,
  U8: 8,
  I8: 8,
  U16: 16,
  I16: 16,
  F16: 16,
  BF16: 16,
  U32: 32,
  I32: 32,
  F32: 32,
  U64: 64,
  I64: 64,
  F64: 64,
  C64: 64,
} as const
/** A dtype of the format. */
export type FileDtype = keyof typeof elementBits

/** Those whose values are read. A file may hold others beside them. */
export const readDtypes = ['F32', 'F64', 'F16', 'BF16', 'I32', 'I64'] as const satisfies FileDtype[]

/** Bytes that `count` elements take, a fraction where they do not fill the last. */
export const bytesOf = (dtype: FileDtype, count: number): number => (count * elementBits[dtype]) / 8

/** Where a tensor lies: bytes `begin` (inclusive) to `end` (exclusive), counted from the end of the header. */
export interface TensorEntry {
  /** As the file has it. */
  readonly name: string
  /** As the file names it. */
  readonly dtype: FileDtype
  /** Row-major. */
  readonly shape: readonly number[]
  /** The first byte. */
  readonly begin: number
  /** After the last byte. */
  readonly end: number
}

export interface Header {
  readonly metadata: Record<string, string>
  /** In the order of their bytes. */
  readonly entries: readonly TensorEntry[]
}

/** A file begins with its header's length, a u64 of this many bytes. */
export const lengthSize = 8

/** The format's own bound on the header (100 MB). */
export const largestHeader = 100_000_000

/**
 * Parses and checks the JSON of a safetensors header: every tensor's bytes are exactly shape x dtype, and together
 * the tensors cover the `dataSize` bytes after the header without overlap or gap, as the format demands.
 * @throws SafetensorsError
 */
export function parseHeader(json: Uint8Array, dataSize: number, path: string): Header {
  const fail = (problem: string): never => {
    throw new SafetensorsError(`${path}: ${problem}`)
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json))
  } catch (error) {
    return fail(`its header is not JSON (${(error as Error).message})`)
  }
  if (!isObject(parsed)) return fail('its header is not a JSON object')
  const { __metadata__: stored, ...tensors } = parsed
  const metadata = stored ?? {}
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    return fail('its __metadata__ is not an object of strings')
  }
  const entries = Object.entries(tensors).map(([name, entry]) => parseEntry(name, entry, fail))
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let covered = 0
  for (const { name, begin, end } of entries) {
    if (begin < covered)
      fail(`tensor "${name}" begins at byte ${begin}, inside the one before it, which ends at ${covered}`)
    if (begin > covered) fail(`bytes ${covered} to ${begin}, before tensor "${name}", belong to no tensor`)
    if (end > dataSize)
      fail(`tensor "${name}" ends at byte ${end}, but the file holds ${dataSize} bytes of data`)
    covered = end
  }
  if (covered !== dataSize)
    fail(`its tensors end at byte ${covered}, but the file holds ${dataSize} bytes of data`)
  return { metadata: metadata as Record<string, string>, entries }
}

function parseEntry(name: string, entry: unknown, fail: (problem: string) => never): TensorEntry {
  if (!isObject(entry)) return fail(`the header's entry of tensor "${name}" is not an object`)
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBits, dtype)) {
    const known = Object.keys(elementBits).join(', ')
    return fail(`tensor "${name}" has the dtype ${formatValue(dtype)}; the format's are ${known}`)
  }
  if (!isArrayOfCounts(shape)) {
    return fail(`tensor "${name}" has the shape ${formatValue(shape)}; expected integers from 0`)
  }
  if (!isArrayOfCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    return fail(`tensor "${name}" has the data_offsets ${formatValue(offsets)}; expected [begin, end]`)
  }
  const [begin, end] = offsets
  const size = bytesOf(dtype as FileDtype, elementCount(shape))
  if (end - begin !== size) {
    return fail(`tensor "${name}" has ${end - begin} bytes; ${dtype} [${shape.join(', ')}] has ${size}`)
  }
  return { name, dtype: dtype as FileDtype, shape, begin, end }
}

/** Throws a SafetensorsError unless the entry is there, and of floats of this shape. */
export function checkFloats(
  path: string,
  name: string,
  entry: TensorEntry | undefined,
  shape: readonly number[],
): void {
  if (!entry) throw new SafetensorsError(`${path}: tensor "${name}" is missing`)
  const floats = ['F32', 'BF16', 'F16', 'F64'].includes(entry.dtype)
  const sameShape = entry.shape.join() === shape.join()
  if (!floats || !sameShape)
    throw new SafetensorsError(
      `${path}: tensor "${name}" must be F32, BF16, F16 or F64 of shape [${shape.join(', ')}], ` +
        `it is ${entry.dtype} of [${entry.shape.join(', ')}]`,
    )
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isArrayOfCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0)
}
