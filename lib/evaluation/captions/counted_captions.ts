import { type NgramCounts, NgramIndex } from './ngrams.js'

/** A text by its words and its n-grams of each order. */
export interface CountedText {
  readonly words: readonly string[]
  /** The number of words. */
  readonly length: number
  readonly ngrams: readonly NgramCounts[]
}

/** A caption beside those that people wrote. */
export interface CountedCaption {
  readonly written: CountedText
  /** One or more. */
  readonly references: readonly CountedText[]
}

/** The words of captions, and how many different n-grams they have. */
export function countCaptions(
  captions: readonly { written: readonly string[]; references: readonly (readonly string[])[] }[],
): { counted: CountedCaption[]; ngrams: number } {
  const index = new NgramIndex()
  const count = (words: readonly string[]): CountedText => ({
    words,
    length: words.length,
    ngrams: index.count(words),
  })
  const counted = captions.map(({ written, references }) => ({
    written: count(written),
    references: references.map(count),
  }))
  return { counted, ngrams: index.size }
}
