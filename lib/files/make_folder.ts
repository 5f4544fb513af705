import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a folder and those that it lies in, where they are not there: one by one, as `mkdir` of Node 20 with `recursive` may
 * never end on file systems that refuse to.
 * @throws Error of the system
 */
export async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return
  try {
    await mkdir(path)
  } catch (error) {
    const parent = dirname(path)
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && parent !== path && !(await isFolder(parent))) {
      await makeFolder(parent)
      await makeFolder(path)
    } else if (!(await isFolder(path))) throw error // Else another process made it meanwhile.
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
