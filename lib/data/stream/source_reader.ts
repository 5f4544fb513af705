import type { PreparedDocument, SourceState } from '../document_stream.js'
import type {
  DocumentSource,
  SourceCursor,
  SourceItem,
  UnreadableDocument,
} from '../sources/document_source.js'
import { cutDocument, type PositionsOf } from './pieces.js'
import type { Preparation } from './preparation.js'

/** So many unreadable documents in a row are no accident: the source as a whole cannot be read. */
const MOST_UNREADABLE = 100

export interface SourceReaderOptions {
  readonly seed: number
  readonly preparation: Preparation
  readonly positionsOf: PositionsOf
  /** Longer texts are cut. */
  readonly longest: number
  /** Documents that are prepared before they are asked for. */
  readonly lookAhead: number
  /** Decides about a document that could not be read: throws, or returns to go on without it. */
  readonly onUnreadable: (document: UnreadableDocument) => void
}

interface Ahead {
  readonly document: PreparedDocument | UnreadableDocument
  readonly next: SourceCursor
}

/** One source's documents in order, prepared, cut, and some of them ahead of time. */
export class SourceReader {
  readonly #options: SourceReaderOptions
  readonly #documents: number | undefined
  readonly #items: AsyncIterator<SourceItem>
  readonly #ahead: Promise<Ahead>[] = []
  #reading: Promise<unknown> = Promise.resolve()
  /** Before the document that `#pieces` are of. */
  #cursor: SourceCursor | undefined
  #next: SourceCursor | undefined
  #pieces: readonly PreparedDocument[] = []
  #piece: number
  #positions: number
  #skipped: number
  #unreadableInARow = 0

  constructor(source: DocumentSource, options: SourceReaderOptions, state?: SourceState) {
    this.#options = options
    this.#documents = source.length
    this.#items = source.read(options.seed, state?.cursor)
    this.#cursor = this.#next = state?.cursor
    this.#piece = state?.piece ?? 0
    this.#positions = state?.positions ?? 0
    this.#skipped = state?.skipped ?? source.unreadable?.length ?? 0
  }

  /** Positions taken so far. */
  get positions(): number {
    return this.#positions
  }

  get state(): SourceState {
    const within = this.#piece > 0
    const cursor = within ? this.#cursor : this.#next
    return {
      ...(cursor && { cursor }),
      ...(within && { piece: this.#piece }),
      positions: this.#positions,
      skipped: this.#skipped,
      ...(this.#documents !== undefined && { documents: this.#documents }),
    }
  }

  async next(): Promise<PreparedDocument> {
    // More pieces may have been taken than there are, where the data changed since the state was saved.
    while (this.#piece >= this.#pieces.length) await this.#advance()
    const document = this.#pieces[this.#piece++]!
    if (this.#piece === this.#pieces.length) this.#finish()
    this.#positions += this.#options.positionsOf(document)
    return document
  }

  async close(): Promise<void> {
    await this.#items.return?.()
  }

  /** Brings the next document's pieces, or none where it is left out. */
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
      this.#pieces = cutDocument(document, positionsOf, longest)
    } catch (error) {
      this.#leaveOut({ name: document.name, error: error as Error })
      return
    }
    this.#unreadableInARow = 0
    if (this.#piece >= this.#pieces.length) this.#finish()
  }

  #finish(): void {
    this.#pieces = []
    this.#piece = 0
  }

  #leaveOut(document: UnreadableDocument): void {
    this.#options.onUnreadable(document)
    this.#finish()
    this.#skipped++
    if (++this.#unreadableInARow === MOST_UNREADABLE) {
      throw new Error(
        `${MOST_UNREADABLE} documents in a row could not be read; the last: ${document.error.message}`,
        { cause: document.error },
      )
    }
  }

  #take(): Promise<Ahead> {
    while (this.#ahead.length <= this.#options.lookAhead) {
      const item = this.#reading.then(() => this.#items.next())
      this.#reading = item
      const ahead = item.then(({ value, done }) => this.#prepare(value, done))
      // It is reported when its turn comes.
      ahead.catch(() => {})
      this.#ahead.push(ahead)
    }
    return this.#ahead.shift()!
  }

  async #prepare(item: SourceItem, done: boolean | undefined): Promise<Ahead> {
    if (done) throw new Error('a source of documents ended; it must begin again, epoch after epoch')
    const { document, next } = item
    return {
      document: 'error' in document ? document : await this.#options.preparation.prepare(document),
      next,
    }
  }
}
