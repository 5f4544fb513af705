import { writeAtomically } from './atomic_file.js'
import { jsonFault } from './json_fault.js'
import { readText } from './text_file.js'

/**
 * Reads a JSON file; where there is none, `missing` is returned if it is given.
 * @throws Error that names the file and what is wrong with it
 */
export async function readJson(path: string, missing?: unknown): Promise<unknown> {
  try {
    return parseJson(await readText(path), path)
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
    if (code === 'ENOENT' && missing !== undefined) return missing
    throw error
  }
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
