import { readFile } from 'node:fs/promises'
import { fileError } from './file_error.js'

/** Byte order marks, which say how the text after them is encoded; UTF-8 needs none. */
const marks = [
  { bytes: [0xef, 0xbb, 0xbf], encoding: 'utf-8' },
  { bytes: [0xff, 0xfe], encoding: 'utf-16le' },
  { bytes: [0xfe, 0xff], encoding: 'utf-16be' },
] as const

const expected = 'expected UTF-8, or UTF-16 that begins with a byte order mark'

/** How a file that begins with `bytes` is encoded, if it is text. */
export const encodingOf = (bytes: Uint8Array): (typeof marks)[number]['encoding'] =>
  marks.find((mark) => mark.bytes.every((byte, i) => bytes[i] === byte))?.encoding ?? 'utf-8'

/** Throws an Error that begins with `name` where a text holds zero bytes, which are valid UTF-8 but in no text. */
export function refuseZeros(text: string | Buffer, name: string): void {
  if (text.includes('\0'))
    throw new Error(
      `${name}: its text holds zero bytes, as binary files do and UTF-16 without a mark; ${expected}`,
    )
}

/**
 * A text file's content: UTF-8, or UTF-16 where a byte order mark says so; the mark is not part of it.
 * @throws Error that begins with `name` where the bytes are no text of that encoding
 */
export function decodeText(bytes: Uint8Array, name: string): string {
  const encoding = encodingOf(bytes)
  let text
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch (error) {
    throw new Error(`${name}: its text is not ${encoding.toUpperCase()}; ${expected}`, { cause: error })
  }
  refuseZeros(text, name)
  return text
}

/** A text whose lines end with LF, whether they ended so or with CR LF, as on Windows. */
export const withLineFeeds = (text: string): string => text.replaceAll('\r\n', '\n')

/** Reads a text file as {@link decodeText}. Rejects with an Error that names the file. */
export async function readText(path: string): Promise<string> {
  try {
    return decodeText(await readFile(path), path)
  } catch (error) {
    throw fileError(path, error)
  }
}
