import { readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { lockFile } from '../../../files/folder_lock.js'
import type { LeftOut } from '../../left_out.js'
import { isHiddenName } from './hidden_names.js'

/** What only the folders have that `transfusion train` and `demo` write. */
const runMarks = [lockFile, 'config.json']

/**
 * The paths, from `folder`, of the files in it and in its folders, in the order of the paths (by code unit, the same on
 * every machine). Hidden ones are passed over, and so are runs in it, whose sheets, captions and configs are no data. Links
 * are followed; a folder is visited once, however many ways lead to it, and the folders that `folder` lies in are not.
 * Pipes, sockets and devices are left out. `depth`: 1 for the files of `folder` alone.
 * @throws Error that names the folder that cannot be read
 */
export async function filesUnder(
  folder: string,
  { leftOut, depth = Infinity }: { leftOut?: LeftOut | undefined; depth?: number } = {},
): Promise<string[]> {
  const visited = await foldersAbove(folder)
  const files: string[] = []
  const links: string[] = []
  const visit = async (within: string, level: number): Promise<void> => {
    if (level > depth) return
    const path = join(folder, within)
    const real = await realpath(path)
    if (visited.has(real)) return
    visited.add(real)
    const entries = await readdir(path, { withFileTypes: true }).catch((error: Error) => {
      throw new Error(`${path}: cannot be read (${error.message})`, { cause: error })
    })
    if (level > 1 && runMarks.every((mark) => entries.some(({ name }) => name === mark))) {
      leftOut?.count('run', path)
      return
    }
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = within === '' ? entry.name : join(within, entry.name)
      if (isHiddenName(entry.name)) continue
      if (entry.isDirectory()) await visit(inner, level + 1)
      else if (entry.isFile()) files.push(inner)
      else if (entry.isSymbolicLink()) links.push(inner)
      else leftOut?.count('special', join(folder, inner))
    }
  }
  await visit('', 1)
  // After the folders themselves: of two paths to a folder the one without a link counts.
  for (let i = 0; i < links.length; i++) {
    const link = links[i]!
    const target = await stat(join(folder, link)).catch(() => undefined)
    if (target?.isDirectory()) await visit(link, link.split(sep).length + 1)
    // Where it leads nowhere, reading it says so.
    else if (target === undefined || target.isFile()) files.push(link)
    else leftOut?.count('special', join(folder, link))
  }
  return files.toSorted()
}

async function foldersAbove(folder: string): Promise<Set<string>> {
  const above = new Set<string>()
  for (let path = await realpath(folder); dirname(path) !== path;) {
    path = dirname(path)
    above.add(path)
  }
  return above
}
