import { stat } from 'node:fs/promises'
import { imageExtensions } from './image_extensions.js'

/** What a data config's `type` reads, by what names end with. */
const endings = {
  tar: ['.tar', '.tar.gz', '.tgz'],
  jsonl: ['.jsonl', '.ndjson', '.jsonl.gz', '.ndjson.gz'],
  text: ['.txt', '.txt.gz'],
} as const

/** A `type` of data in files. */
export type FileType = 'folder' | keyof typeof endings

/** What the names of a type's files end with, in lower case. */
export const endingsOf = (type: keyof typeof endings): readonly string[] => endings[type]

/** The type that reads a file of this name; undefined where the name does not tell. */
export function typeOfFile(name: string): FileType | undefined {
  const lower = name.toLowerCase()
  for (const type of ['tar', 'jsonl', 'text'] as const)
    if (endings[type].some((ending) => lower.endsWith(ending))) return type
  return imageExtensions.has(/\.[^.]*$/.exec(lower)?.[0] ?? '') ? 'folder' : undefined
}

/** Tables and compressed files, which no type reads. */
const notRead = /\.(parquet|arrow|feather|csv|tsv|xlsx|zip|rar|7z|zst|xz|bz2|lz4)$/i

/** What to say of files that `type` does not find: "; it holds a.tar, which "type": "tar" reads"; else ''. */
export function typesOfFiles(names: readonly string[], type: FileType): string {
  const found = (other: FileType) =>
    other === type ? undefined : names.find((name) => typeOfFile(name) === other)
  for (const other of ['tar', 'jsonl'] as const)
    if (found(other) !== undefined) return `; it holds ${found(other)}, which "type": "${other}" reads`
  const unread = names.find((name) => notRead.test(name))
  if (unread !== undefined)
    return `; it holds ${unread}, which is not read: convert it to JSON Lines, or unpack it, see docs/troubleshooting.md`
  const json = type === 'jsonl' && names.find((name) => /\.json(\.gz)?$/i.test(name))
  if (json) return `; it holds ${json}: name the file itself where it is JSON Lines`
  for (const other of ['folder', 'text'] as const)
    if (found(other) !== undefined) return `; it holds ${found(other)}, which "type": "${other}" reads`
  return ''
}

/** Rejects with an Error that says which type reads it where a file is not one of `type`'s, as its name tells. */
export function checkFileType(path: string, type: 'text' | 'jsonl' | 'tar'): void {
  const other = typeOfFile(path)
  if (other === undefined || other === type) return
  // JSON Lines are also found in files that are called .txt.
  if (type === 'jsonl' && other === 'text') return
  throw new Error(
    other === 'folder'
      ? `${path}: is an image; "type": "${type}" does not read images: "type": "folder" reads a folder of images and captions`
      : `${path}: is not what "type": "${type}" reads; "type": "${other}" reads it`,
  )
}

/** Rejects with an Error that says what is expected where `path` is no folder. */
export async function checkFolder(path: string): Promise<void> {
  const kind = await stat(path).catch(explainMissing(path))
  if (kind.isDirectory()) return
  const other = typeOfFile(path)
  throw new Error(
    `${path}: is a file; "type": "folder" expects a folder of images and captions` +
      (other === undefined || other === 'folder' ? '' : `; "type": "${other}" reads such a file`),
  )
}

/** For what could not be found or looked at. */
export function explainMissing(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    const reason =
      error.code === 'ENOENT' ? `no such file or folder${hintOf(path)}` : `cannot be read (${error.message})`
    throw new Error(`${path}: ${reason}`, { cause: error })
  }
}

/**
 * Why a path may not be found: other tools take it but a file system does not. Relative ones may have been joined to a
 * folder.
 */
export function hintOf(path: string): string {
  if (path.includes('\ufffd')) return '; its name is not UTF-8: rename it'
  if (/(^|[\\/])(https?|s3|gs|hf|ftp|pipe|az):/i.test(path)) return '; only files are read: download it first'
  if (/(^|[\\/])~[\\/]/.test(path)) return '; "~" is not replaced by the home folder: write it out'
  return ''
}
