const LONGEST_VALUE = 80
/** Of a list: more would only be cut. */
const MOST_ITEMS = 20

/** A value for a message, in one short line whatever it is: texts in quotes, what is long by its size alone. */
export function formatValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' && typeof value !== 'string') return String(value)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return `${nameOf(value)} of ${value.byteLength} bytes`
  if (Array.isArray(value) && value.length > MOST_ITEMS) return `array of ${value.length}`
  const text = toJson(value) ?? nameOf(value as object)
  if (text.length <= LONGEST_VALUE) return text
  if (Array.isArray(value)) return `array of ${value.length}`
  return `${text.slice(0, LONGEST_VALUE)}...`
}

/** JSON with the long lists inside it left out; undefined where there is none, of a value that holds itself for one. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (_, inner: unknown) =>
      inner !== value && (ArrayBuffer.isView(inner) || (Array.isArray(inner) && inner.length > MOST_ITEMS))
        ? formatValue(inner)
        : inner,
    )
  } catch {
    return undefined
  }
}

const nameOf = (value: object): string => value.constructor?.name ?? 'object'

const MOST_KEYS = 10

/** The keys of an object as messages show them, the first of many. */
export function formatKeys(object: object): string {
  const keys = Object.keys(object)
  const shown = keys.slice(0, MOST_KEYS).map(formatValue).join(', ')
  return keys.length > MOST_KEYS ? `${shown} and ${keys.length - MOST_KEYS} more` : shown
}
