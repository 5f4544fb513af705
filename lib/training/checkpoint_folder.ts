import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isFullDisk, syncDirectory } from '../files/atomic_file.js'
import { makeFolder } from '../files/make_folder.js'

const checkpointName = /^step-(\d{9,})$/
/** A folder that is being written or removed, or that a killed process has left so. It is no checkpoint. */
const unfinishedName = /^unfinished-/

/** The checkpoints of a run, each in a folder of its own: `step-000001000` and so on. */
export class CheckpointFolder {
  constructor(
    /** The folder of all of them. */
    readonly path: string,
    /** How many to keep: the latest. */
    readonly keep: number,
  ) {}

  /** The latest checkpoint's folder, or undefined where there is none. */
  async latest(): Promise<string | undefined> {
    return (await this.all())[0]
  }

  /** The checkpoints' folders, the latest first. */
  async all(): Promise<string[]> {
    return (await this.#names(checkpointName)).toReversed().map((name) => join(this.path, name))
  }

  /**
   * Resumes from the latest checkpoint that can be read: calls `read` with each folder, the latest first, until one call
   * does not reject. The damaged ones before it are renamed (they are kept, but are checkpoints no longer), and `onSetAside`
   * receives a message about each. Resolves to the folder that was read, or undefined where there is no checkpoint.
   * @throws Error that says what is wrong with each checkpoint, where none can be read; they keep their names
   */
  async resume(
    read: (folder: string) => Promise<void>,
    onSetAside?: (message: string) => void,
  ): Promise<string | undefined> {
    const names = (await this.#names(checkpointName)).toReversed()
    const damaged: { name: string; reason: string }[] = []
    for (const name of names) {
      const folder = join(this.path, name)
      try {
        await read(folder)
      } catch (error) {
        damaged.push({ name, reason: (error as Error).message })
        continue
      }
      for (const { name, reason } of damaged) {
        const aside = await this.#setAside(name)
        onSetAside?.(`${reason}; going on from ${folder} instead; the damaged checkpoint is now ${aside}`)
      }
      return folder
    }
    if (damaged.length === 0) return undefined
    const reasons = damaged.map(({ name, reason }) => `\n  ${name}: ${reason}`)
    throw new Error(
      `${this.path}: no checkpoint there can be read, so that there is nothing to go on from; ` +
        `repair one, or move the folder away to begin anew:${reasons.join('')}`,
    )
  }

  /** Renames a damaged checkpoint; returns its new folder. */
  async #setAside(name: string): Promise<string> {
    const taken = await this.#names(/^damaged-/)
    let free = `damaged-${name}`
    for (let i = 2; taken.includes(free); i++) free = `damaged-${name}-${i}`
    await rename(join(this.path, name), join(this.path, free))
    await syncDirectory(this.path)
    return join(this.path, free)
  }

  /**
   * Adds a checkpoint: `fill` writes it into a temporary folder, which is renamed once all of it is on disk, so that a
   * folder with a checkpoint's name is complete whenever the process is killed. Then all but the latest `keep` are removed.
   * On a full disk all but the latest one are removed first, and `fill` is called again.
   */
  async add(step: number, fill: (folder: string) => Promise<void>): Promise<void> {
    await makeFolder(this.path)
    await this.#removeUnfinished()
    const name = `step-${String(step).padStart(9, '0')}`
    try {
      await this.#write(name, fill)
    } catch (error) {
      if (!isFullDisk(error) || !(await this.#removeAllBut(1))) throw error
      await this.#write(name, fill)
    }
    await this.#removeAllBut(this.keep)
  }

  async #write(name: string, fill: (folder: string) => Promise<void>): Promise<void> {
    const aside = join(this.path, `unfinished-${name}`)
    try {
      await mkdir(aside)
      await fill(aside)
      await syncDirectory(aside)
      await this.#discard(name)
      await rename(aside, join(this.path, name))
      await syncDirectory(this.path)
    } catch (error) {
      await rm(aside, { recursive: true, force: true })
      throw error
    }
  }

  /** Returns whether there was one to remove. */
  async #removeAllBut(kept: number): Promise<boolean> {
    const old = (await this.#names(checkpointName)).slice(0, -kept)
    for (const name of old) await this.#discard(name)
    return old.length > 0
  }

  /** Removes the folders that a killed process has left unfinished. */
  async #removeUnfinished(): Promise<void> {
    for (const name of await this.#names(unfinishedName))
      await rm(join(this.path, name), { recursive: true, force: true })
  }

  /** Renames the folder before it is removed file by file: a kill must not leave half a checkpoint under its name. */
  async #discard(name: string): Promise<void> {
    const removed = join(this.path, `unfinished-removal-of-${name}`)
    try {
      await rename(join(this.path, name), removed)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    await rm(removed, { recursive: true, force: true })
  }

  async #names(pattern: RegExp): Promise<string[]> {
    const names = await readdir(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
      throw error
    })
    return names.filter((name) => pattern.test(name)).toSorted()
  }
}
