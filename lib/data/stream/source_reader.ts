import type { TokenizedDocument } from '../document.js'
import type { SourceState } from '../document_stream.js'
import type {
  DocumentSource,
  SourceCursor,
  SourceItem,
  UnreadableDocument,
} from '../sources/document_source.js'
import { type Chunk, chunkDocument, type PositionsOf } from './chunks.js'
import type { Preprocessor } from './preprocessor.js'

/** So many unreadable documents in a row are no accident: the source as a whole cannot be read. */
const mostUnreadable = 100

export interface SourceReaderOptions {
  readonly seed: number
  readonly preprocessor: Preprocessor
  readonly positionsOf: PositionsOf
  /** Longer texts are cut. */
  readonly longest: number
  /** Documents that are preprocessed in advance. */
  readonly lookAhead: number
  /** Decides about a document that could not be read: throws, or returns to go on without it. */
  readonly onUnreadable: (document: UnreadableDocument) => void
}

interface Prefetched {
  readonly document: TokenizedDocument | UnreadableDocument
  readonly next: SourceCursor
}

/** The documents of one source in order: preprocessed, some of them in advance, and cut into chunks. */
export class SourceReader {
  readonly #options: SourceReaderOptions
  readonly #documents: number | undefined
  readonly #items: AsyncIterator<SourceItem>
  readonly #prefetched: Promise<Prefetched>[] = []
  #reading: Promise<unknown> = Promise.resolve()
  /** Before the document that `#chunks` are of. */
  #cursor: SourceCursor | undefined
  #next: SourceCursor | undefined
  #chunks: readonly Chunk[] = []
  #chunk: number
  #positions: number
  #skipped: number
  #unreadableInARow = 0

  constructor(source: DocumentSource, options: SourceReaderOptions, state?: SourceState) {
    this.#options = options
    this.#documents = source.length
    this.#items = source.read(options.seed, state?.cursor)
    this.#cursor = this.#next = state?.cursor
    this.#chunk = state?.chunk ?? 0
    this.#positions = state?.positions ?? 0
    this.#skipped = state?.skipped ?? source.unreadable?.length ?? 0
  }

  /** Positions taken so far. */
  get positions(): number {
    return this.#positions
  }

  get state(): SourceState {
    const within = this.#chunk > 0
    const cursor = within ? this.#cursor : this.#next
    return {
      ...(cursor && { cursor }),
      ...(within && { chunk: this.#chunk }),
      positions: this.#positions,
      skipped: this.#skipped,
      ...(this.#documents !== undefined && { documents: this.#documents }),
    }
  }

  async next(): Promise<TokenizedDocument> {
    // More chunks may have been taken than there are, where the data changed since the state was saved.
    while (this.#chunk >= this.#chunks.length) await this.#advance()
    const { document, positions } = this.#chunks[this.#chunk++]!
    if (this.#chunk === this.#chunks.length) this.#finish()
    this.#positions += positions
    return document
  }

  async close(): Promise<void> {
    await this.#items.return?.()
  }

  /** Brings the next document's chunks, or none where it is left out. */
  async #advance(): Promise<void> {
    const { document, next } = await this.#take()
    this.#cursor = this.#next
    this.#next = next
    if ('error' in document) {
      this.#leaveOut(document)
      return
    }
    const { positionsOf, longest } = this.#options
    try {
      this.#chunks = chunkDocument(document, positionsOf, longest)
    } catch (error) {
      this.#leaveOut({ name: document.name, error: error as Error })
      return
    }
    this.#unreadableInARow = 0
    if (this.#chunk >= this.#chunks.length) this.#finish()
  }

  #finish(): void {
    this.#chunks = []
    this.#chunk = 0
  }

  #leaveOut(document: UnreadableDocument): void {
    this.#options.onUnreadable(document)
    this.#finish()
    this.#skipped++
    if (++this.#unreadableInARow === mostUnreadable) {
      throw new Error(
        `${mostUnreadable} documents in a row could not be read; the last: ${document.error.message}`,
        { cause: document.error },
      )
    }
  }

  #take(): Promise<Prefetched> {
    while (this.#prefetched.length <= this.#options.lookAhead) {
      const item = this.#reading.then(() => this.#items.next())
      this.#reading = item
      const prefetched = item.then(({ value, done }) => this.#preprocess(value, done))
      // Whoever takes the document handles the rejection: Node must not take it for unhandled.
      prefetched.catch(() => {})
      this.#prefetched.push(prefetched)
    }
    return this.#prefetched.shift()!
  }

  async #preprocess(item: SourceItem, done: boolean | undefined): Promise<Prefetched> {
    if (done) throw new Error('a source of documents ended; it must begin again, epoch after epoch')
    const { document, next } = item
    return {
      document: 'error' in document ? document : await this.#options.preprocessor.preprocess(document),
      next,
    }
  }
}
