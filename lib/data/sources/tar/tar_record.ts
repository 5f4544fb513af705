import { posix } from 'node:path'
import type { LeftOut, LeftOutReason } from '../../left_out.js'
import { captionExtensions, captionEndings, captionKinds, captionOf } from '../captions.js'
import type { RawDocument } from '../../document.js'
import type { CaptionPolicy, UnreadableDocument } from '../document_source.js'
import { imageExtensions, imageKinds } from '../files/image_extensions.js'

/** A larger member is not read: it would be one image or caption. */
export const largestMember = 2 ** 26

/** Members in a row whose paths are equal up to the first dot of their names. */
export interface TarRecord {
  readonly key: string
  /** Images and captions by extension; the size of those that are too large, 0 for all in a record that is skipped. */
  readonly members: Map<string, Uint8Array | number>
  /** Names of members that are not read. */
  readonly others: string[]
}

/** A member's path up to the first dot of its name, what begins there, and whether that is read. */
export interface MemberName {
  readonly key: string
  /** In lower case. */
  readonly extension: string
  /** `image` and `caption` are read; `part` ends like one, but has more dots. */
  readonly kind: 'image' | 'caption' | 'part' | undefined
}

export function splitName(path: string): MemberName {
  const name = posix.basename(path)
  const dot = name.indexOf('.')
  if (dot < 0) return { key: path, extension: '', kind: undefined }
  const key = path.slice(0, path.length - name.length + dot)
  const extension = name.slice(dot).toLowerCase()
  const last = posix.extname(extension.slice(1)) || extension
  if (imageExtensions.has(extension)) return { key, extension, kind: 'image' }
  if (captionExtensions.has(last)) {
    const inner = extension.slice(0, -last.length)
    return { key, extension, kind: inner === '' || imageExtensions.has(inner) ? 'caption' : 'part' }
  }
  return { key, extension, kind: imageExtensions.has(last) ? 'part' : undefined }
}

/** A record's caption and image, or what it lacks. */
export function documentOfRecord(
  path: string,
  record: TarRecord,
  captions: CaptionPolicy,
): RawDocument | UnreadableDocument {
  const { key, members } = record
  const name = `${path}: ${key}`
  const { image, caption } = partsOf(record)
  if (image === undefined)
    return {
      name,
      reason: 'imageless',
      error: new Error(`${name}: has no image (${imageKinds})${whyNot(record)}`),
    }
  if (caption === undefined && captions === 'required')
    return {
      name,
      reason: 'uncaptioned',
      error: new Error(`${name}: has no caption (${captionKinds})${whyNot(record)}`),
    }
  try {
    for (const [extension, member] of members) {
      if (typeof member === 'number')
        throw new Error(`${name}${extension}: has ${member} bytes; at most ${largestMember} are read`)
    }
    const part = { type: 'image', bytes: members.get(image) as Uint8Array } as const
    if (captions === 'ignored' || caption === undefined) return { name, parts: [part] }
    const text = captionOf(members.get(caption) as Uint8Array, caption, name + caption, name + image)
    return { name, parts: [{ type: 'text', text }, part] }
  } catch (error) {
    return { name, error: error as Error }
  }
}

/** The extensions of a record's image, by its name or else by its content, and caption. */
function partsOf({ key, members }: TarRecord): { readonly image?: string; readonly caption?: string } {
  const image =
    [...imageExtensions].find((extension) => members.has(extension)) ??
    [...members.keys()].find((extension) => splitName(key + extension).kind === undefined)
  const caption = captionEndings(image ?? '').find((extension) => members.has(extension))
  return { ...(image !== undefined && { image }), ...(caption !== undefined && { caption }) }
}

/** Members that a message names. */
const mostNamed = 4

/** What to say of a record that lacks a part. */
function whyNot({ key, members, others }: TarRecord): string {
  const names = [...[...members.keys()].map((extension) => key + extension), ...others]
  const dots = others.some((name) => splitName(name).kind === 'part')
  return (
    `; it has ${names.slice(0, mostNamed).join(', ')}${names.length > mostNamed ? ` and more, ${names.length} in all` : ''}. The members of a sample must be adjacent` +
    (dots
      ? ': those in a row whose names are equal up to the first dot. Rename them to have no other dot'
      : ', and their names equal up to the first dot')
  )
}

/** Members that are no part of what is read, of one file. */
export class MembersLeftOut {
  readonly #groups = new Map<LeftOutReason, { count: number; first: string }>()
  #waiting: { readonly key: string; readonly members: string[] } = { key: '', members: [] }

  /** A member that is not read: of the record that begins next, if that has its key. */
  wait(key: string, member: string): void {
    if (key !== this.#waiting.key) this.#waiting = { key, members: this.take(key) }
    this.#waiting.members.push(member)
  }

  /** The members that wait for a record of this key; those that wait for another belong to none. */
  take(key: string): string[] {
    const { key: ofKey, members } = this.#waiting
    this.#waiting = { key: '', members: [] }
    if (ofKey === key) return members
    for (const member of members) this.#add('member', member)
    return []
  }

  /** The members of a record that are neither its image nor its caption; a `.json` beside a caption is about it. */
  addExtras(record: TarRecord): void {
    const { key, members, others } = record
    const { image, caption } = partsOf(record)
    // An incomplete one is an unreadable document, as a whole.
    if (image === undefined || caption === undefined) return
    for (const member of others) this.#add('extra', member)
    for (const extension of members.keys())
      if (extension !== image && splitName(key + extension).kind !== 'caption')
        this.#add('extra', key + extension)
  }

  /** Counts them all. */
  tell(path: string, leftOut: LeftOut): void {
    this.take('')
    for (const [reason, { count, first }] of this.#groups)
      leftOut.count(reason, path, count, `${path}: ${first}`)
  }

  #add(reason: LeftOutReason, member: string): void {
    const group = this.#groups.get(reason)
    if (group) group.count++
    else this.#groups.set(reason, { count: 1, first: member })
  }
}

/** Whether a member of this name is about the archive, as many have at their top. */
export const isNotice = (key: string): boolean =>
  /^(readme|licen[cs]e|notice|copying|changelog|authors)$/i.test(key)
