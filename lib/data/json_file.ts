import { readFile } from 'node:fs/promises'
import { writeAtomically } from './atomic_file.js'
import { decodeText } from './text_file.js'

/**
 * Reads a JSON file; where there is none, `missing` is returned if it is given.
 * @throws Error that names the file and what is wrong with it
 */
export async function readJson(path: string, missing?: unknown): Promise<unknown> {
  let bytes
  try {
    bytes = await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new Error(`${path}: cannot be read (${(error as Error).message})`, { cause: error })
    if (missing !== undefined) return missing
    throw new Error(`${path}: no such file`, { cause: error })
  }
  return parseJson(decodeText(bytes, path), path)
}

/** Writes a value as JSON to be read by people too, the whole file or nothing; rejects as `writeAtomically`. */
export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeAtomically(path, `${JSON.stringify(value, null, 2)}\n`)

/** Parses JSON. Throws an Error that begins with `name` where it is none. */
export function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${name}: not JSON (${(error as Error).message})`, { cause: error })
  }
}
