import type { TokenizedDocument } from './document.js'
import type { SourceCursor } from './sources/document_source.js'

/** Where a stream stands, as a checkpoint keeps it: one entry for each source of the mixture. */
export interface StreamState {
  /** In the order of the sources. */
  readonly sources: readonly SourceState[]
}

/** Where a stream stands in one source. */
export interface SourceState {
  /** Absent before the first document. */
  readonly cursor?: SourceCursor
  /** How many chunks have been taken of the document at `cursor`, a text that is cut; absent: none. */
  readonly chunk?: number
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
  next(): Promise<{ readonly document: TokenizedDocument; readonly state: StreamState }>
  /** Ends its workers and closes its files. A `next` that still waits rejects. */
  close(): Promise<void>
}
