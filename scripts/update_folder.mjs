import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true }).filter((path) => statSync(join(folder, path)).isFile())

/**
 * Makes the files of the folder `target` those of `fresh`, which is used up. Files that are the same are not touched, others
 * replaced as a whole: programs that are just loading modules of `target` find each file either as it was or as it is.
 */
export function updateFolder(target, fresh) {
  mkdirSync(target, { recursive: true })
  const paths = filesOf(fresh)
  for (const path of paths) {
    const [from, to] = [join(fresh, path), join(target, path)]
    if (existsSync(to) && readFileSync(to).equals(readFileSync(from))) continue
    mkdirSync(dirname(to), { recursive: true })
    renameSync(from, to)
  }
  const kept = new Set(paths)
  for (const path of filesOf(target)) if (!kept.has(path)) rmSync(join(target, path))
}
