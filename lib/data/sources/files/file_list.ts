import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from '../../../files/exists.js'
import { braceExpand, Minimatch } from 'minimatch'
import { describe } from '../../../describe.js'
import type { LeftOut } from '../../left_out.js'
import { explainMissing, type FileType, typesOfFiles } from './data_types.js'
import { filesUnder } from './folder_files.js'

/** How a folder's files are chosen. */
export interface FolderListing {
  /** Whose files they are, for messages. */
  readonly type: FileType
  /** Told of the folder's files that are left out. */
  readonly leftOut: LeftOut
  /** Whether a file lies in the folder for another reason and is not counted as left out. */
  readonly isExpected?: (name: string) => boolean
}

/** The most paths that the braces of a pattern make. */
const mostExpanded = 100_000

/**
 * The files that `paths` name, in order: a file; a folder, for the files in it and in its folders whose names end with
 * one of `extensions` (lower case); or a pattern of `*`, `?`, `[...]`, `**` for folders at any depth, and braces:
 * `{000..127}.tar`, `{a,b}`, each of which must be there. Those of a folder or a pattern come in the order of their paths,
 * by code unit; hidden ones are passed over.
 * @throws Error that names the path that is missing, or names no file
 */
export async function listFiles(
  paths: string | readonly string[],
  extensions: readonly string[],
  listing?: FolderListing,
): Promise<string[]> {
  const given: readonly unknown[] = [paths].flat()
  if (given.length === 0 || given.some((path) => typeof path !== 'string'))
    throw new TypeError(`path must be a path or a list of paths, one at least; received ${describe(paths)}`)
  const files: string[] = []
  for (const path of [paths].flat()) files.push(...(await filesOf(path, extensions, listing)))
  return files
}

async function filesOf(
  path: string,
  extensions: readonly string[],
  listing: FolderListing | undefined,
): Promise<string[]> {
  const kind = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && isPattern(path)) return undefined
    return explainMissing(path)(error)
  })
  if (kind === undefined) return expand(path)
  if (!kind.isDirectory()) return [path]
  const names = await filesUnder(path, { leftOut: listing?.leftOut })
  const isWanted = (name: string) => extensions.some((extension) => name.toLowerCase().endsWith(extension))
  const wanted = names.filter(isWanted)
  if (wanted.length === 0) {
    const others = listing ? typesOfFiles(names, listing.type) : ''
    throw new Error(`${path}: holds no files that end with ${extensions.join(' or ')}${others}`)
  }
  const rest = names.filter((name) => !isWanted(name) && !listing?.isExpected?.(name))
  if (rest.length > 0) listing?.leftOut.count('unread', path, rest.length, join(path, rest[0]!))
  return wanted.map((name) => join(path, name))
}

const isPattern = (path: string): boolean => /[*?[]|\{[^{}]*(,|\.\.)[^{}]*\}/.test(path)

async function expand(pattern: string): Promise<string[]> {
  const expanded = braceExpand(pattern, { braceExpandMax: mostExpanded + 1 })
  if (expanded.length > mostExpanded)
    throw new Error(`${pattern}: its braces name more than ${mostExpanded} paths`)
  const files: string[] = []
  for (const path of expanded) {
    if (!/[*?[]/.test(path) || (expanded.length > 1 && (await exists(path)))) {
      const kind = await stat(path).catch(explainMissing(path))
      if (kind.isDirectory()) throw new Error(`${path}: is a folder; ${pattern} is to name files`)
      files.push(path)
    } else files.push(...(await matching(path)))
  }
  return files
}

/** The files that a pattern without braces names. */
async function matching(pattern: string): Promise<string[]> {
  const parts = pattern.split(process.platform === 'win32' ? /[\\/]/ : '/')
  let folder = pattern.startsWith('/') ? '/' : '.'
  // Folders may have brackets in their names.
  while (parts.length > 1 && (!/[*?[]/.test(parts[0]!) || (await exists(join(folder, parts[0]!)))))
    folder = join(folder, parts.shift()!)
  await stat(folder).catch(explainMissing(folder))
  const matcher = new Minimatch(parts.join('/'), {
    nobrace: true,
    nocomment: true,
    nonegate: true,
    noext: true,
  })
  const depth = parts.includes('**') ? Infinity : parts.length
  const names = await filesUnder(folder, { depth })
  const found = names.filter((name) => matcher.match(name))
  if (found.length === 0) throw new Error(`${pattern}: no file has such a name`)
  return found.map((name) => join(folder, name))
}
