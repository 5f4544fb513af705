import { readFile } from 'node:fs/promises'
import { writeAtomically } from './atomic_file.js'
import { jsonFault } from './json_fault.js'
import { decodeText } from './text_file.js'

/**
 * Reads a JSON file; where there is none, `missing` is returned if it is given.
 * @throws Error that names the file and what is wrong with it
 */
export async function readJson(path: string, missing?: unknown): Promise<unknown> {
  const text = await readJsonText(path, missing !== undefined)
  return text === undefined ? missing : parseJson(text, path)
}

/** The text of a JSON file; undefined where there is none and it may be missing. Throws an Error that names the file. */
export async function readJsonText(path: string, mayBeMissing = false): Promise<string | undefined> {
  let bytes
  try {
    bytes = await readFile(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && mayBeMissing) return undefined
    throw new Error(`${path}: ${unreadable[code ?? ''] ?? `cannot be read (${message})`}`, { cause: error })
  }
  return decodeText(bytes, path)
}

const unreadable: Record<string, string> = {
  ENOENT: 'no such file',
  EISDIR: 'is a folder; expected a JSON file',
}

/** Writes a value as JSON to be read by people too, the whole file or nothing; rejects as `writeAtomically`. */
export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeAtomically(path, `${JSON.stringify(value, null, 2)}\n`)

/** Parses JSON. Throws an Error that begins with `name`, and says where the text is none and what was expected. */
export function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const fault = jsonFault(text, { comments: false }) ?? (error as Error).message
    throw new Error(`${name}: not JSON (${fault})`, { cause: error })
  }
}
