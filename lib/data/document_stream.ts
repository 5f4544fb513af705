import type { Image } from '../image/image.js'
import type { SourceCursor } from './sources/document_source.js'

/** A text as token ids, or an image as the model reads it. */
export type PreparedPart =
  { readonly type: 'text'; readonly ids: Int32Array } | { readonly type: 'image'; readonly image: Image }

/** A document as training takes it: tokenized, its images decoded to what the model reads. */
export interface PreparedDocument {
  /** Where it came from, for messages. */
  readonly name: string
  /** In reading order. */
  readonly parts: readonly PreparedPart[]
}

/** Where a stream stands, as a checkpoint keeps it: one entry for each source of the mixture. */
export interface StreamState {
  /** In the order of the sources. */
  readonly sources: readonly SourceState[]
}

/** Where a stream stands in one source. */
export interface SourceState {
  /** Absent before the first document. */
  readonly cursor?: SourceCursor
  /** How many pieces have been taken of the document at `cursor`, a text that is cut; absent: none. */
  readonly piece?: number
  /** Positions (tokens and patches) taken from the source so far, which the mixture's weights are about. */
  readonly positions: number
  /** Documents that could not be read and were left out. */
  readonly skipped: number
  /** Documents of an epoch, where the source knows: another number later means that the data was changed. */
  readonly documents?: number
}

/** A mixture of sources in a fixed order: a function of the seed, the same for any number of workers. */
export interface DocumentStream {
  /**
   * The next document, and where the stream stands after it; ask for one after another. Its arrays are not to be
   * written to. Rejects as the policy for unreadable documents says; then `close` is all that is left to do.
   */
  next(): Promise<{ readonly document: PreparedDocument; readonly state: StreamState }>
  /** Ends its workers and closes its files. A `next` that still waits rejects. */
  close(): Promise<void>
}
