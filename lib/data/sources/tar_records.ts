import { open } from 'node:fs/promises'
import { posix } from 'node:path'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract, type ExtractEvents } from 'tar-stream'
import { z } from 'zod'
import { parseConfig } from '../../config.js'
import { IMAGE_EXTENSIONS } from './captioned_files.js'
import type { RawDocument, RawPart, UnreadableDocument } from './document_source.js'
import { TarTail } from './tar_tail.js'

/** A larger member is not read: it would be one image or caption. */
export const LARGEST_MEMBER = 2 ** 26

const TEXT_EXTENSIONS: ReadonlySet<string> = new Set(['.txt', '.caption', '.json'])

/**
 * The records of a tar file, plain or gzipped (told apart by content), in WebDataset's layout: members in a row whose
 * paths are equal up to the first dot of their names. A record has an image (`.png`, `.jpg`, `.jpeg`, `.webp`) and its
 * caption, as text (`.txt`, `.caption`) or in a `.json` object as `caption` or `text`; other members are passed over,
 * and so are hidden ones. The first `skip` records are not read. A record that is incomplete comes as an unreadable
 * document, and so does the place where the file is damaged or cut short, after which nothing follows.
 *
 * A file that lacks the blocks of zeros that end an archive (POSIX, pax, "ustar Interchange Format") may have been cut
 * between two members, as an interrupted copy often is where members are small; after its records comes an unreadable
 * document. Some writers leave the blocks out; the message says how to add them.
 */
export async function* readTar(
  path: string,
  skip = 0,
): AsyncGenerator<RawDocument | UnreadableDocument, void, undefined> {
  let record: TarRecord | undefined
  let member: string | undefined
  let count = 0
  const tail = new TarTail()
  try {
    for await (const entry of await openTar(path, tail)) {
      member = entry.header.name
      const { key, extension } = splitName(member)
      const wanted = IMAGE_EXTENSIONS.has(extension) || TEXT_EXTENSIONS.has(extension)
      if (entry.header.type !== 'file' || !wanted) {
        entry.resume()
        continue
      }
      if (record?.key !== key) {
        if (record && count++ >= skip) yield documentOf(path, record)
        record = { key, members: new Map() }
      }
      if (count < skip) entry.resume()
      else record.members.set(extension, await readMember(entry))
    }
    if (record && count++ >= skip) yield documentOf(path, record)
    if (!tail.ended && count >= skip) yield unended(path)
  } catch (error) {
    if (count < skip) return
    yield unreadable(path, member, error as NodeJS.ErrnoException)
  }
}

/** What could not be read after `member`, or at all. The system's own errors have a code and a number. */
function unreadable(
  path: string,
  member: string | undefined,
  error: NodeJS.ErrnoException,
): UnreadableDocument {
  const name = member === undefined ? path : `${path}: ${member}`
  const what =
    error.errno === undefined || error.code?.startsWith('Z_') ? 'damaged or cut short' : 'cannot be read'
  return { name, error: new Error(`${name}: ${what} (${error.message})`, { cause: error }) }
}

/** A file all of whose members are whole, which need not be all that it had. */
function unended(path: string): UnreadableDocument {
  const error = new Error(
    `${path}: may be cut short: the blocks of zeros that end a tar file are missing. ` +
      'If it is whole, add them with "head -c 1024 /dev/zero >> FILE", for .tar.gz "| gzip >> FILE"',
  )
  return { name: path, error }
}

interface TarRecord {
  readonly key: string
  /** By extension; the size of those that are too large. */
  readonly members: Map<string, Uint8Array | number>
}

type Entry = ExtractEvents['entry'][1]

/** The members of a file, whose bytes pass `tail`. */
async function openTar(path: string, tail: TarTail): Promise<AsyncIterable<Entry>> {
  const file = await open(path)
  const magic = Buffer.alloc(2)
  try {
    await file.read(magic, 0, 2, 0)
  } catch (error) {
    await file.close()
    throw error
  }
  const bytes = file.createReadStream({ start: 0 })
  const members = extract()
  // What goes wrong arrives through `members`.
  if (magic[0] === 0x1f && magic[1] === 0x8b) pipeline(bytes, createGunzip(), tail, members, () => {})
  else pipeline(bytes, tail, members, () => {})
  return members
}

/** The path up to the first dot of the name, and what begins there, in lower case; hidden files have no extension. */
function splitName(path: string): { readonly key: string; readonly extension: string } {
  const name = posix.basename(path)
  const dot = name.indexOf('.')
  if (dot <= 0) return { key: path, extension: '' }
  return {
    key: path.slice(0, path.length - name.length + dot),
    extension: name.slice(dot).toLowerCase(),
  }
}

/** A member's bytes, in memory of their own, or its size where it is too large. */
async function readMember(entry: Entry): Promise<Uint8Array | number> {
  const { size = 0 } = entry.header
  if (size > LARGEST_MEMBER) {
    entry.resume()
    return size
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of entry) chunks.push(chunk as Uint8Array)
  const bytes = new Uint8Array(size)
  chunks.reduce((offset, chunk) => (bytes.set(chunk, offset), offset + chunk.length), 0)
  return bytes
}

function documentOf(path: string, record: TarRecord): RawDocument | UnreadableDocument {
  const name = `${path}: ${record.key}`
  try {
    return { name, parts: partsOf(name, record) }
  } catch (error) {
    return { name, error: error as Error }
  }
}

function partsOf(name: string, { members }: TarRecord): RawPart[] {
  for (const [extension, member] of members) {
    if (typeof member === 'number')
      throw new Error(`${name}${extension}: has ${member} bytes; at most ${LARGEST_MEMBER} are read`)
  }
  const find = (extensions: Iterable<string>) => {
    for (const extension of extensions) if (members.has(extension)) return extension
    return undefined
  }
  const image = find(IMAGE_EXTENSIONS)
  const text = find(TEXT_EXTENSIONS)
  if (image === undefined) throw new Error(`${name}: has no image (${[...IMAGE_EXTENSIONS].join(', ')})`)
  if (text === undefined) throw new Error(`${name}: has no caption (${[...TEXT_EXTENSIONS].join(', ')})`)
  const caption = captionOf(members.get(text) as Uint8Array, text, `${name}${text}`).trim()
  if (caption === '') throw new Error(`${name}${text}: is empty; expected the caption of ${name}${image}`)
  return [
    { type: 'text', text: caption },
    { type: 'image', source: { bytes: members.get(image) as Uint8Array } },
  ]
}

const captionSchema = z
  .object({ caption: z.string().optional(), text: z.string().optional() })
  .transform(({ caption, text }) => caption ?? text ?? '')

function captionOf(bytes: Uint8Array, extension: string, name: string): string {
  let content: unknown
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    if (extension !== '.json') return text
    content = JSON.parse(text)
  } catch (error) {
    throw new Error(`${name}: cannot be read (${(error as Error).message})`, { cause: error })
  }
  return parseConfig(captionSchema, content, name)
}
