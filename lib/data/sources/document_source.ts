import type { Image } from '../document.js'

/** An image before it is made what the model reads: a file, an encoded file's bytes (PNG, JPEG, WebP), or pixels. */
export type RawImage = { readonly path: string } | { readonly bytes: Uint8Array } | { readonly image: Image }

export type RawPart =
  { readonly type: 'text'; readonly text: string } | { readonly type: 'image'; readonly source: RawImage }

/** A document before decoding and tokenizing, which another thread may do: structured cloning copies it. */
export interface RawDocument {
  /** Where it came from, for messages: a path, "captions.jsonl:17", "shard-000.tar: 00042". */
  readonly name: string
  readonly parts: readonly RawPart[]
}

/** Where a source stands, as JSON can hold it. */
export type SourceCursor = Readonly<Record<string, number>>

/** Documents in a row without end: epoch after epoch, each in an order of its own. */
export interface DocumentSource {
  /**
   * The documents from `cursor` on (a `next` that an earlier call gave with the same seed), or from the beginning.
   * The same seed gives the same documents at every call. Throws an Error that names the file where one cannot be read.
   */
  read(
    seed: number,
    cursor?: SourceCursor,
  ): AsyncIterable<{ readonly document: RawDocument; readonly next: SourceCursor }>
}
