import type { Image } from './document.js'
import type { SourceCursor } from './sources/document_source.js'

export type PreparedPart =
  { readonly type: 'text'; readonly ids: Int32Array } | { readonly type: 'image'; readonly image: Image }

/** A document as training takes it: tokenized, its images decoded to what the model reads. */
export interface PreparedDocument {
  /** Where it came from, for messages. */
  readonly name: string
  readonly parts: readonly PreparedPart[]
}

/** Where a stream stands, as a checkpoint keeps it: one entry for each source of the mixture. */
export interface StreamState {
  readonly sources: readonly {
    /** Absent before the first document. */
    readonly cursor?: SourceCursor
    /** Positions (tokens and patches) taken from the source so far, which the mixture's weights are about. */
    readonly positions: number
    /** Documents that could not be read and were left out. */
    readonly skipped: number
  }[]
}

/** A mixture of sources in a fixed order: a function of the seed, the same for any number of workers. */
export interface DocumentStream {
  /** The next document, and where the stream stands after it. Rejects as the policy for unreadable documents says. */
  next(): Promise<{ readonly document: PreparedDocument; readonly state: StreamState }>
  /** Ends its workers. */
  close(): Promise<void>
}
