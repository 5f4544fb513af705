import { closeSync, fstatSync, openSync } from 'node:fs'
import { copyFile, link, readlink, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** A file by its descriptors: as it was opened, and as it was last saved. */
interface HeldFile {
  readonly name: string
  readonly first: number
  latest: number
}

/**
 * Files that folders take along, held open: they can be saved whatever happens to the places where they were. Saved ones share
 * memory on disk with those where the file system can link them, also once the first place is gone.
 */
export class HeldFiles {
  readonly #files: HeldFile[] = []

  /** Opens files, by the names that they get in folders. Throws the file system's error. */
  constructor(paths: Readonly<Record<string, string>>) {
    try {
      for (const [name, path] of Object.entries(paths)) {
        const first = openSync(path, 'r')
        this.#files.push({ name, first, latest: first })
      }
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** Links the files into a folder that has none of them, or copies them where that cannot be, as on another file system. */
  async saveInto(folder: string): Promise<void> {
    for (const file of this.#files) {
      const target = join(folder, file.name)
      if (!(await linked(file.latest, target)) && !(await linked(file.first, target)))
        await copyFile(`/proc/self/fd/${file.first}`, target)
      closeLatest(file)
      // It stays the same file when its folder is renamed.
      file.latest = openSync(target, 'r')
    }
  }

  /** Whether the folder has them already, the very same. */
  async areIn(folder: string): Promise<boolean> {
    for (const { name, first, latest } of this.#files) {
      const path = join(folder, name)
      if (!(await isAt(first, path)) && !(await isAt(latest, path))) return false
    }
    return true
  }

  /** Closes them. */
  [Symbol.dispose](): void {
    for (const file of this.#files.splice(0)) {
      closeLatest(file)
      closeSync(file.first)
    }
  }
}

function closeLatest({ first, latest }: HeldFile): void {
  if (latest !== first) closeSync(latest)
}

/** Links a file from where it is now; false where it is nowhere, or cannot be linked. */
async function linked(descriptor: number, target: string): Promise<boolean> {
  try {
    await link(await readlink(`/proc/self/fd/${descriptor}`), target)
  } catch {
    return false
  }
  if (await isAt(descriptor, target)) return true
  await rm(target)
  return false
}

async function isAt(descriptor: number, path: string): Promise<boolean> {
  const other = await stat(path).catch(() => undefined)
  const own = fstatSync(descriptor)
  return other?.ino === own.ino && other.dev === own.dev
}
