import { open } from 'node:fs/promises'
import { posix } from 'node:path'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract, type ExtractEvents } from 'tar-stream'
import { isGzipped, otherFormat } from '../file_formats.js'
import type { LeftOut, LeftOutReason } from '../left_out.js'
import { CAPTION_EXTENSIONS, captionKinds, captionOf, IMAGE_EXTENSIONS, imageKinds } from './captions.js'
import type { RawDocument, UnreadableDocument } from './document_source.js'
import { isHiddenPath } from './hidden_names.js'
import { TarTail } from './tar_tail.js'

/** A larger member is not read: it would be one image or caption. */
export const LARGEST_MEMBER = 2 ** 26

/**
 * The records of a tar file, plain or gzipped (told apart by content), in WebDataset's layout: members in a row whose
 * paths are equal up to the first dot of their names. A record has an image and its caption, as text (`.txt`, `.caption`)
 * or in a `.json` object as `caption` or `text`; other members are left out, and hidden ones passed over. The first `skip`
 * records are not read. A record that is incomplete comes as an unreadable document, and so does the place where the file is
 * damaged or cut short, after which nothing follows.
 *
 * A file that lacks the blocks of zeros that end an archive (POSIX, pax, "ustar Interchange Format") may have been cut
 * between two members, as an interrupted copy often is where members are small; after its records comes an unreadable
 * document. Some writers leave the blocks out; the message says how to add them.
 */
export async function* readTar(
  path: string,
  skip = 0,
  leftOut?: LeftOut,
): AsyncGenerator<RawDocument | UnreadableDocument, void, undefined> {
  let record: TarRecord | undefined
  let member: string | undefined
  let count = 0
  const tail = new TarTail()
  const rest = new MembersLeftOut()
  try {
    for await (const entry of await openTar(path, tail)) {
      const { type } = entry.header
      member = entry.header.name.replace(/^(\.\/+)+/, '')
      const { key, extension, last } = splitName(member)
      const kind = IMAGE_EXTENSIONS.has(last) ? 'image' : CAPTION_EXTENSIONS.has(last) ? 'caption' : undefined
      const ofRecord = record?.key === key
      if (type === 'directory' || isHiddenPath(member)) {
        entry.resume()
        continue
      }
      if (!ofRecord && (kind === undefined || isNotice(key))) {
        rest.add('member', member)
        entry.resume()
        continue
      }
      if (!ofRecord) {
        if (record && count++ >= skip) yield documentOf(path, record)
        if (record) rest.addExtras(record)
        record = { key, members: new Map(), others: [] }
      }
      const isRead = type === 'file' && kind !== undefined && extension === last
      if (!isRead) record!.others.push(type === 'file' ? member : `${member}, a ${type}`)
      if (isRead && count >= skip) record!.members.set(extension, await readMember(entry))
      else entry.resume()
    }
    if (record && count++ >= skip) yield documentOf(path, record)
    if (record) rest.addExtras(record)
    if (!tail.ended && count >= skip) yield unended(path)
  } catch (error) {
    if (count < skip) return
    yield unreadable(path, member, error as NodeJS.ErrnoException)
  } finally {
    if (leftOut) rest.tell(path, leftOut)
  }
}

/** Members that are no part of what is read, of one file. */
class MembersLeftOut {
  readonly #groups = new Map<LeftOutReason, { count: number; first: string }>()

  add(reason: LeftOutReason, member: string): void {
    const group = this.#groups.get(reason)
    if (group) group.count++
    else this.#groups.set(reason, { count: 1, first: member })
  }

  /** The members of a record that are neither its image nor its caption; a `.json` beside a caption is about it. */
  addExtras(record: TarRecord): void {
    const { key, members, others } = record
    const { image, caption } = partsOf(record)
    // An incomplete one is an unreadable document, as a whole.
    if (image === undefined || caption === undefined) return
    for (const member of others) this.add('extra', member)
    for (const extension of members.keys())
      if (extension !== image && !CAPTION_EXTENSIONS.has(extension)) this.add('extra', key + extension)
  }

  tell(path: string, leftOut: LeftOut): void {
    for (const [reason, { count, first }] of this.#groups)
      leftOut.count(reason, path, count, `${path}: ${first}`)
  }
}

/** Whether a member of this name is about the archive, as many have at their top. */
const isNotice = (key: string): boolean => /^(readme|licen[cs]e|notice|copying|changelog|authors)$/i.test(key)

/** What could not be read after `member`, or at all. The system's own errors have a code and a number. */
function unreadable(
  path: string,
  member: string | undefined,
  error: NodeJS.ErrnoException,
): UnreadableDocument {
  if (error instanceof OtherFormat) return { name: path, error }
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
  /** By extension; the size of those that are too large. Empty for a record that is skipped. */
  readonly members: Map<string, Uint8Array | number>
  /** Names of members that are not read. */
  readonly others: string[]
}

/** A file that is no tar file, as its first bytes tell. */
class OtherFormat extends Error {}

type Entry = ExtractEvents['entry'][1]

/** The members of a file, whose bytes pass `tail`. */
async function openTar(path: string, tail: TarTail): Promise<AsyncIterable<Entry>> {
  const file = await open(path)
  const head = Buffer.alloc(64)
  try {
    await file.read(head, 0, head.length, 0)
    const other = otherFormat(head)
    if (other !== undefined) throw new OtherFormat(`${path}: ${other}`)
  } catch (error) {
    await file.close()
    throw error
  }
  const bytes = file.createReadStream({ start: 0 })
  // Headers of before POSIX (V7), which some writers still make, have no mark. The package's types lack the option.
  const members = extract({ allowUnknownFormat: true } as Parameters<typeof extract>[0])
  // What goes wrong arrives through `members`.
  if (isGzipped(head)) pipeline(bytes, createGunzip(), tail, members, () => {})
  else pipeline(bytes, tail, members, () => {})
  return members
}

/** The path up to the first dot of the name, what begins there and what begins at the last dot, both in lower case. */
function splitName(path: string): {
  readonly key: string
  readonly extension: string
  readonly last: string
} {
  const name = posix.basename(path)
  const dot = name.indexOf('.')
  if (dot < 0) return { key: path, extension: '', last: '' }
  return {
    key: path.slice(0, path.length - name.length + dot),
    extension: name.slice(dot).toLowerCase(),
    last: posix.extname(name).toLowerCase(),
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
  const { key, members } = record
  const name = `${path}: ${key}`
  const { image, caption } = partsOf(record)
  if (image === undefined)
    return {
      name,
      reason: 'imageless',
      error: new Error(`${name}: has no image (${imageKinds})${whyNot(record)}`),
    }
  if (caption === undefined)
    return {
      name,
      reason: 'uncaptioned',
      error: new Error(`${name}: has no caption (${captionKinds})${whyNot(record)}`),
    }
  try {
    for (const [extension, member] of members) {
      if (typeof member === 'number')
        throw new Error(`${name}${extension}: has ${member} bytes; at most ${LARGEST_MEMBER} are read`)
    }
    const text = captionOf(members.get(caption) as Uint8Array, caption, name + caption, name + image)
    const bytes = members.get(image) as Uint8Array
    return {
      name,
      parts: [
        { type: 'text', text },
        { type: 'image', source: { bytes } },
      ],
    }
  } catch (error) {
    return { name, error: error as Error }
  }
}

/** The extensions of a record's image and caption. */
function partsOf({ members }: TarRecord): { readonly image?: string; readonly caption?: string } {
  const find = (extensions: ReadonlySet<string>) =>
    [...extensions].find((extension) => members.has(extension))
  const image = find(IMAGE_EXTENSIONS)
  const caption = find(CAPTION_EXTENSIONS)
  return { ...(image !== undefined && { image }), ...(caption !== undefined && { caption }) }
}

/** What to say of a record that lacks a part. */
function whyNot({ key, members, others }: TarRecord): string {
  const names = [...[...members.keys()].map((extension) => key + extension), ...others]
  const dots = others.some((name) => splitName(name).extension !== splitName(name).last)
  return (
    `; it has ${names.join(', ')}. The members of a sample must be adjacent` +
    (dots
      ? ': those in a row whose names are equal up to the first dot. Rename them to have no other dot'
      : ', and their names equal up to the first dot')
  )
}
