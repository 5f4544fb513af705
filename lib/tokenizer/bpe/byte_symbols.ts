/**
 * The characters that stand for the 256 bytes in a byte-level vocabulary, by byte: GPT-2's, which leave printable bytes
 * of Latin-1 as they are and move the others, in order, to U+0100 and after, so that no token holds white space.
 */
export const byteSymbols: readonly string[] = listByteSymbols()

function listByteSymbols(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
  let moved = 0
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(printable(byte) ? byte : 0x100 + moved++),
  )
}
