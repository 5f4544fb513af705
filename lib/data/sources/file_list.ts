import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * The files that `paths` name, in order: a file; a folder, for the files in it and in its folders whose names end with
 * one of `extensions` (lower case); or a pattern with `*` in its last component. Those of a folder or a pattern come
 * in the order of their paths, by code unit.
 * @throws Error that names the path that is missing, or names no file
 */
export async function listFiles(
  paths: string | readonly string[],
  extensions: readonly string[],
): Promise<string[]> {
  const files: string[] = []
  for (const path of [paths].flat()) files.push(...(await filesOf(path, extensions)))
  return files
}

async function filesOf(path: string, extensions: readonly string[]): Promise<string[]> {
  if (basename(path).includes('*')) {
    const pattern = new RegExp(`^${basename(path).split('*').map(escapeRegExp).join('.*')}$`, 's')
    const names = await readdir(dirname(path)).catch(explain(dirname(path)))
    return inFolder(
      dirname(path),
      names.filter((name) => pattern.test(name)),
      `${path}: no file has such a name`,
    )
  }
  const kind = await stat(path).catch(explain(path))
  if (!kind.isDirectory()) return [path]
  const names = await readdir(path, { recursive: true })
  return inFolder(
    path,
    names.filter((name) => extensions.some((extension) => name.toLowerCase().endsWith(extension))),
    `${path}: holds no files that end with ${extensions.join(' or ')}`,
  )
}

function inFolder(folder: string, names: readonly string[], ifNone: string): string[] {
  if (names.length === 0) throw new Error(ifNone)
  return names.toSorted().map((name) => join(folder, name))
}

function explain(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    const reason = error.code === 'ENOENT' ? 'no such file or folder' : `cannot be read (${error.message})`
    throw new Error(`${path}: ${reason}`, { cause: error })
  }
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}
