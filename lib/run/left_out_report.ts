import { LeftOut } from '../data/left_out.js'
import type { UnreadableDocument } from '../data/sources/document_source.js'
import type { WeightedSource } from '../data/stream/open_stream.js'

/** Documents of a kind that are told of one by one; more are only counted. */
const told = 5

/** Tells of documents that are left out as they are met, and at the end of all that was left out. */
export class LeftOutReport {
  readonly #leftOut = new LeftOut()
  readonly #tell: (line: string) => void

  constructor(tell: (line: string) => void) {
    this.#tell = tell
  }

  /** For a document that is left out: told once, not again in each epoch. */
  readonly onSkip = (document: UnreadableDocument): void => {
    const isNew = this.#leftOut.countDocument(document)
    if (isNew && this.#leftOut.total(document.reason ?? 'document') <= told)
      this.#tell(`left out: ${document.error.message}`)
  }

  /** A line for each reason, of documents and of what else of the sources is not read. */
  summary(sources: readonly Pick<WeightedSource, 'source'>[]): string[] {
    for (const { source } of sources) if (source.leftOut) this.#leftOut.include(source.leftOut)
    return this.#leftOut.summary
  }
}
