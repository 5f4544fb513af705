import { open, readdir, rename, rm, stat, statfs, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Writes a file so that a reader, or a crash, sees either the old content or the whole of the new: a temporary file
 * beside `path` takes `content`, or what the function given writes, is flushed to disk and then renamed. On failure the
 * temporary file is removed and the old file stays. `bytes`: how many it will have, for the message of a full disk.
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array | ((file: FileHandle) => Promise<void>),
  bytes = typeof content === 'function' ? undefined : Buffer.byteLength(content),
): Promise<void> {
  const temporary = `${path}.${process.pid}.${temporaryCount++}.tmp`
  try {
    const file = await open(temporary, 'wx')
    try {
      await (typeof content === 'function' ? content(file) : file.writeFile(content))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw await explainFullDisk(error as NodeJS.ErrnoException, path, bytes)
  }
  await syncDirectory(dirname(path))
}

let temporaryCount = 0

/** Old enough that no process writes it any more. */
const leftOverAge = 3_600_000

/** Removes the temporary files that killed processes have left in a folder. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/\.\d+\.\d+\.tmp$/.test(name)) continue
    const path = join(folder, name)
    if (Date.now() - (await stat(path)).mtimeMs > leftOverAge) await rm(path, { force: true })
  }
}

/** The rename itself is durable only once the directory is flushed; Windows cannot open directories. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Whether a write failed for want of space; the error may be the cause of the one given. */
export function isFullDisk(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT' || isFullDisk(error.cause)
}

/**
 * Of a failed write the reason, with the file, which system errors of an open file do not name; a disk without space, or a
 * user's share of it, is what people can do something about.
 */
export async function explainFullDisk(
  error: NodeJS.ErrnoException,
  path: string,
  bytes: number | undefined,
): Promise<Error> {
  if (!isFullDisk(error)) {
    if (error.code === undefined || error.path !== undefined) return error
    return new Error(`${path}: cannot be written (${error.message})`, { cause: error })
  }
  const { bavail, bsize } = await statfs(dirname(path))
  const needed = bytes === undefined ? '' : `${bytes} bytes are needed, `
  return new Error(
    `${path}: no space is left to write it (${needed}${bavail * bsize} are free); what was there before is unchanged`,
    { cause: error },
  )
}
