import { constants, type FileHandle, open } from 'node:fs/promises'
import { constants as system, hostname } from 'node:os'
import { join } from 'node:path'
import { native } from '../native.js'
import { makeFolder } from './make_folder.js'

/** The file of a lock in its folder; it stays there, and means nothing unless the system says that somebody has it locked. */
export const lockFile = '.lock'

/** Of file systems that have no such locks. */
const without: readonly number[] = [
  system.errno.ENOTSUP,
  system.errno.EOPNOTSUPP,
  system.errno.ENOSYS,
  system.errno.ENOLCK,
  system.errno.EINVAL,
]

/** Else they would be closed, and so unlocked, once nobody refers to them. */
const held = new Set<FileHandle>()

/** A folder that no other process may write into meanwhile. */
export interface FolderLock {
  /** False where the file system has no locks: then others are not kept out. */
  readonly locked: boolean
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Makes a folder and takes it for this caller alone: by an advisory lock of the system's (flock) on a file in it, which
 * is released at the latest when the process ends, whatever ends it, and which holds across containers, and across hosts
 * where the file system is one of a network. `purpose`: what the folder is taken for, "training a model".
 * @throws Error that names the folder and the process that has it, or why nothing can be written there
 */
export async function lockFolder(folder: string, purpose: string): Promise<FolderLock> {
  const handle = await openLockFile(folder)
  held.add(handle)
  const release = async () => {
    held.delete(handle)
    await handle.close()
  }
  const error = native.lock_file(handle.fd)
  if (error === 0) {
    await handle.truncate()
    await handle.write(JSON.stringify({ pid: process.pid, host: hostname(), purpose, since: new Date() }), 0)
    return { locked: true, [Symbol.asyncDispose]: release }
  }
  if (without.includes(error)) return { locked: false, [Symbol.asyncDispose]: release }
  const holder = await readHolder(handle).finally(release)
  throw new Error(
    `${folder}: ${holder} is using this folder; ` +
      'wait until that has ended, or stop it, or take another folder with --out',
  )
}

async function openLockFile(folder: string): Promise<FileHandle> {
  try {
    await makeFolder(folder)
    return await open(join(folder, lockFile), constants.O_RDWR | constants.O_CREAT)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'EEXIST' || code === 'ENOTDIR' ? 'it, or a part of its path, is a file' : message
    throw new Error(`${folder}: a run cannot be written there (${reason})`, { cause: error })
  }
}

/** Who has the lock, as far as that was written. */
async function readHolder(handle: FileHandle): Promise<string> {
  try {
    const { pid, host, purpose, since } = JSON.parse(await handle.readFile('utf8')) as Record<string, unknown>
    return `process ${pid} on ${host}, ${purpose} since ${since},`
  } catch {
    return 'another process'
  }
}
