import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract, type ExtractEvents } from 'tar-stream'
import { isGzipped, otherFormat } from '../../../files/file_formats.js'
import { beginsAsImage } from '../../../image/image_content.js'
import type { LeftOut } from '../../left_out.js'
import type { RawDocument } from '../../document.js'
import type { CaptionPolicy, UnreadableDocument } from '../document_source.js'
import { isHiddenPath } from '../files/hidden_names.js'
import {
  documentOfRecord,
  isNotice,
  largestMember,
  MembersLeftOut,
  splitName,
  type TarRecord,
} from './tar_record.js'
import { TarTail } from './tar_tail.js'

/**
 * The records of a tar file, plain or gzipped (told apart by content), in WebDataset's layout: members in a row whose
 * paths are equal up to the first dot of their names. A record has an image, by its name or else by its content, and its
 * caption, as text (`.txt`, `.caption`)
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
  captions: CaptionPolicy = 'required',
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
      const { key, extension, kind } = splitName(member)
      // Links and devices have no content.
      const shown = type === 'file' ? member : `${member}, a ${type}`
      if (type === 'directory' || isHiddenPath(member)) {
        entry.resume()
        continue
      }
      const image =
        type === 'file' && kind === undefined && !isNotice(key) ? await readImageMember(entry) : undefined
      const isRead = type === 'file' && (kind === 'image' || kind === 'caption' || image !== undefined)
      // Of two members of one name, the second begins another record.
      const ofRecord =
        record?.key.toLowerCase() === key.toLowerCase() && !(isRead && record.members.has(extension))
      if (!ofRecord && ((kind === undefined && image === undefined) || isNotice(key))) {
        rest.wait(key, shown)
        entry.resume()
        continue
      }
      if (!ofRecord) {
        if (record && count++ >= skip) yield documentOfRecord(path, record, captions)
        if (record) rest.addExtras(record)
        record = { key, members: new Map(), others: rest.take(key) }
      }
      if (isRead) record!.members.set(extension, count >= skip ? (image ?? (await readMember(entry))) : 0)
      else record!.others.push(shown)
      entry.resume()
    }
    if (record && count++ >= skip) yield documentOfRecord(path, record, captions)
    if (record) rest.addExtras(record)
    if (!tail.ended && count >= skip) yield unended(path)
  } catch (error) {
    if (count < skip) return
    yield unreadable(path, member, error as NodeJS.ErrnoException)
  } finally {
    if (leftOut) rest.tell(path, leftOut)
  }
}

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

/** A member's bytes, in memory of their own, or its size where it is too large. */
async function readMember(entry: Entry): Promise<Uint8Array | number> {
  const { size = 0 } = entry.header
  if (size > largestMember) {
    entry.resume()
    return size
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of entry) chunks.push(chunk as Uint8Array)
  return joined(chunks, size)
}

/** The bytes of a member whose name does not tell what it is, where they are an image's. */
async function readImageMember(entry: Entry): Promise<Uint8Array | undefined> {
  const { size = 0 } = entry.header
  let chunks: Uint8Array[] | undefined
  let begins = size <= largestMember
  for await (const chunk of entry) {
    if (begins && (await beginsAsImage(chunk as Uint8Array))) chunks = []
    begins = false
    chunks?.push(chunk as Uint8Array)
  }
  return chunks && joined(chunks, size)
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  chunks.reduce((offset, chunk) => (bytes.set(chunk, offset), offset + chunk.length), 0)
  return bytes
}
