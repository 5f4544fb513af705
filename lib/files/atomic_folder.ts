import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { exists } from './exists.js'
import { syncDirectory } from './atomic_file.js'
import { makeFolder } from './make_folder.js'

/** Inside the folder, so that it may be a mount point, and hold files that are not ours. */
const incoming = '.incoming'
/** What `incoming` is called once all of it is on disk: its files go before those of the folder. */
const committed = '.committed'

const writing = new Set<string>()

/**
 * Replaces some of a folder's files together: `write` makes them in a folder aside, which one rename declares valid; then
 * each is moved to its place. Whenever the process ends, `currentFile` finds all the old ones or all the new ones, and
 * the next call tidies up. On failure the old ones stay. Other files are left alone.
 * @throws Error where another call for the folder has not ended
 */
export async function replaceFiles(folder: string, write: (aside: string) => Promise<void>): Promise<void> {
  const path = resolve(folder)
  if (writing.has(path)) throw new Error(`${folder}: is still being saved`)
  writing.add(path)
  const aside = join(path, incoming)
  try {
    await makeFolder(path)
    await syncDirectory(dirname(path))
    await moveCommitted(path)
    await rm(aside, { recursive: true, force: true })
    await mkdir(aside)
    await write(aside)
    await syncDirectory(aside)
    await rename(aside, join(path, committed))
    await syncDirectory(path)
    await moveCommitted(path)
  } catch (error) {
    await rm(aside, { recursive: true, force: true })
    throw error
  } finally {
    writing.delete(path)
  }
}

async function moveCommitted(folder: string): Promise<void> {
  const from = join(folder, committed)
  if (!(await exists(from))) return
  for (const name of await readdir(from)) await rename(join(from, name), join(folder, name))
  await syncDirectory(folder)
  await rmdir(from)
}

/** Where the valid version of a file that `replaceFiles` wrote lies, whether or not its process came to move it. */
export async function currentFile(folder: string, name: string): Promise<string> {
  const waiting = join(folder, committed, name)
  return (await exists(waiting)) ? waiting : join(folder, name)
}
