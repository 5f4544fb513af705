/** How errors show values that users gave: on one line, never a whole array or file. */
const longest = 80
/** Of an array: more do not fit into a line. */
const mostItems = longest / 2

/**
 * A value in a few words: short text, numbers and short arrays as they are, of longer ones the beginning or the number of
 * elements, of other objects their class or their keys. It goes by tags, not by `instanceof`: values of another realm
 * (`node:vm`, a test runner's) read the same.
 */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'string') return shortened(JSON.stringify(value))
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return describeObject(value)
  } catch {
    return 'an object'
  }
}

function describeObject(value: object): string {
  if (Array.isArray(value)) return describeArray(value)
  const tag = tagOf(value)
  if (ArrayBuffer.isView(value))
    return 'length' in value ? `a ${tag} of ${value.length} values` : `a ${tag} of ${value.byteLength} bytes`
  if (tag === 'ArrayBuffer' || tag === 'SharedArrayBuffer')
    return `${withArticle(tag)} of ${(value as ArrayBuffer).byteLength} bytes`
  if (tag === 'Blob' || tag === 'File') return `a ${tag} of ${(value as Blob).size} bytes`
  if (tag === 'Promise') return 'a promise, which is to be awaited'
  const text = String(value)
  if (text !== `[object ${tag}]`) return shortened(text.replaceAll(/\s+/g, ' '))
  const { constructor } = value
  if (typeof constructor === 'function' && constructor.name !== '' && constructor.name !== 'Object')
    return withArticle(constructor.name)
  const keys = Object.keys(value)
  return keys.length > 0 ? `an object ${shortened(`{ ${keys.join(', ')} }`)}` : 'an empty object'
}

function describeArray(values: readonly unknown[]): string {
  if (values.length > mostItems) return `an array of ${values.length}`
  const text = `[${values.map((value) => (Array.isArray(value) ? `an array of ${value.length}` : describe(value))).join(', ')}]`
  return text.length > longest ? `an array of ${values.length}` : text
}

/**
 * A value of a config or a data file, in one line as JSON writes it; what JSON does not have, and arrays that do not fit,
 * as {@link describe} says it.
 */
export function formatValue(value: unknown): string {
  const text = typeof value === 'object' && !isBinary(value) && !isLong(value) ? toJson(value) : undefined
  if (text === undefined || (text.length > longest && Array.isArray(value))) return describe(value)
  return shortened(text)
}

/** JSON with the long arrays inside it left out; undefined where there is none, of a value that holds itself for one. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (_, inner: unknown) =>
      isBinary(inner) || isLong(inner) ? describe(inner) : inner,
    )
  } catch {
    return undefined
  }
}

const isBinary = (value: unknown): boolean =>
  ArrayBuffer.isView(value) || tagOf(value).endsWith('ArrayBuffer')

const isLong = (value: unknown): boolean => Array.isArray(value) && value.length > mostItems

const mostKeys = 10

/** The keys of an object, the first of many. */
export function formatKeys(object: object): string {
  const keys = Object.keys(object)
  const shown = keys.slice(0, mostKeys).map(describe).join(', ')
  return keys.length > mostKeys ? `${shown} and ${keys.length - mostKeys} more` : shown
}

/** The class that a value was made of, whatever realm that class is of: 'Uint8Array', 'Blob', 'Object'. */
export const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)

const withArticle = (name: string) => `${/^[AEIOU]/i.test(name) ? 'an' : 'a'} ${name}`

const shortened = (text: string) => (text.length > longest ? `${text.slice(0, longest)}...` : text)
