import { checkArguments } from '../../arguments.js'
import type { RawDocument } from '../document.js'
import type { LeftOut, LeftOutReason } from '../left_out.js'

/** A document that could not be read. Whoever reads the source decides whether to stop or to go on. */
export interface UnreadableDocument {
  /** Where it came from, as of a document that can be read. */
  readonly name: string
  /** Its message names the file. */
  readonly error: Error
  /** What it is counted as where it is left out; by default as a document that cannot be read. */
  readonly reason?: LeftOutReason
}

/** Where a source stands, as JSON can hold it. */
export type SourceCursor = Readonly<Record<string, number>>

/** One of a cursor's numbers. @throws RangeError where the cursor has none of the name that it could have given */
export function cursorNumber(cursor: SourceCursor, name: string): number {
  const value = cursor[name]
  if (!Number.isSafeInteger(value) || value! < 0) {
    throw new RangeError(
      `read: cursor.${name} must be an integer from 0, as this source gives it, received ${value}`,
    )
  }
  return value!
}

/** What reading a source gives, one after the other. */
export interface SourceItem {
  /** What was read, or why it could not be. */
  readonly document: RawDocument | UnreadableDocument
  /** Where to `read` from to have the documents after this one. */
  readonly next: SourceCursor
}

/** Whether an image beside which there is no caption cannot be read, or no caption is looked for. */
export type CaptionPolicy = 'required' | 'ignored'

/** Documents in a row without end: epoch after epoch, each in an order of its own. */
export interface DocumentSource {
  /** Documents of an epoch, where that is known without reading them. */
  readonly length?: number
  /** Documents that were found to be unreadable when the source was opened: `read` does not give them. */
  readonly unreadable?: readonly UnreadableDocument[]
  /** What is not read besides documents, as far as it has been met: files of other formats, for instance. */
  readonly leftOut?: LeftOut
  /**
   * The documents from `cursor` on (a `next` that an earlier call gave with the same seed), or from the beginning.
   * The same seed gives the same documents at every call. What it holds open is closed when the iteration ends.
   */
  read(seed: number, cursor?: SourceCursor): AsyncIterableIterator<SourceItem>
  /** Every document once, in the order in which they are stored; those that are known to be unreadable first. */
  once(): AsyncIterableIterator<RawDocument | UnreadableDocument>
}

/**
 * The texts of every document, in stored order, without decoding images: what a tokenizer is made from. Documents
 * that cannot be read are left out; `onUnreadable` is told of them, and may throw.
 */
export async function* textsOf(
  source: DocumentSource,
  onUnreadable?: (document: UnreadableDocument) => void,
): AsyncGenerator<string, void, undefined> {
  checkArguments('textsOf', { source: [source, 'source'] })
  for await (const document of source.once()) {
    if ('error' in document) onUnreadable?.(document)
    else for (const part of document.parts) if (part.type === 'text') yield part.text
  }
}
