import { LeftOut } from '../data/left_out.js'
import type { UnreadableDocument } from '../data/sources/document_source.js'
import type { WeightedSource } from '../data/stream/open_stream.js'

/** Documents of a kind that are reported one by one; more are only counted. */
const mostReported = 5

/** Reports documents that are left out when they are read, and at the end all that was left out. */
export class LeftOutReport {
  readonly #leftOut = new LeftOut()
  readonly #report: (line: string) => void

  constructor(report: (line: string) => void) {
    this.#report = report
  }

  /** Reports a document that is left out, once: not again in each epoch. */
  readonly onSkip = (document: UnreadableDocument): void => {
    const isNew = this.#leftOut.countDocument(document)
    if (isNew && this.#leftOut.total(document.reason ?? 'document') <= mostReported)
      this.#report(`left out: ${document.error.message}`)
  }

  /** A line for each reason, of documents and of what else of the sources is not read. */
  summary(sources: readonly Pick<WeightedSource, 'source'>[]): string[] {
    for (const { source } of sources) if (source.leftOut) this.#leftOut.include(source.leftOut)
    return this.#leftOut.summary
  }
}
