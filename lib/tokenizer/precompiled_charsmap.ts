/**
 * SentencePiece's table of characters to replace: a trie of them as a double array (darts-clone), and the replacements,
 * each ended by a zero byte. A damaged one is refused, with its name, before any text is normalized by it.
 */
import { formatValue } from '../describe.js'

/** @throws Error that begins with `name` where following the table leaves it */
export function checkCharsmap(base64: unknown, name: string): void {
  const damaged = (what: string) => new Error(`${name}: expected SentencePiece's table in base64, ${what}`)
  if (typeof base64 !== 'string' || base64 === '') throw damaged(`received ${formatValue(base64)}`)
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') !== base64) throw damaged('received other characters')
  const trieBytes = bytes.length < 4 ? 0 : bytes.readUInt32LE(0)
  if (trieBytes === 0 || trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length)
    throw damaged(`its ${bytes.length} bytes do not hold a trie of ${trieBytes}`)
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i))
  const replacements = bytes.subarray(4 + trieBytes)
  if (!replacements.equals(Buffer.from(replacements.toString('utf8')))) throw damaged('its text is not UTF-8')
  if (!isWhole(units, replacements)) throw damaged('its trie leads out of it')
}

/** Whether every path from the root stays in the trie, and every replacement in the text. */
function isWhole(units: Uint32Array, replacements: Uint8Array): boolean {
  const seen = new Set<number>()
  const open = [offsetOf(units[0]!)]
  for (let base; (base = open.pop()) !== undefined;) {
    if (seen.has(base)) continue
    seen.add(base)
    for (let byte = 1; byte < 256; byte++) {
      const position = base ^ byte
      if (position >= units.length) return false
      const unit = units[position]!
      // Bit 31 marks a value, which no byte equals.
      if ((unit & 0x800000ff) !== byte) continue
      const next = position ^ offsetOf(unit)
      if ((unit & 0x100) !== 0) {
        if (next >= units.length) return false
        const start = units[next]! & 0x7fffffff
        if (start > replacements.length || isContinuation(replacements[start])) return false
      }
      open.push(next)
    }
  }
  return true
}

/** How far its children are, as darts-clone packs it. */
const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6)

/** Whether a byte of UTF-8 is within a character. */
const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80
