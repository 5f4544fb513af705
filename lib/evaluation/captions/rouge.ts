import type { CountedCaption } from './counted_captions.js'

/** What recall counts more than precision. */
const beta = 1.2

/**
 * ROUGE-L (Lin 2004) of each caption, as pycocoevalcap computes it: the best precision and the best recall over the references,
 * which may be those of different ones.
 */
export const rougeScores = (captions: readonly CountedCaption[]): number[] =>
  captions.map(({ written, references }) => {
    const common = references.map(({ words }) => commonLength(written.words, words))
    const precision = Math.max(...common.map((length) => ratio(length, written.length)))
    const recall = Math.max(...common.map((length, i) => ratio(length, references[i]!.length)))
    return ratio((1 + beta ** 2) * precision * recall, recall + beta ** 2 * precision)
  })

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)

/** The length of the longest common subsequence. */
function commonLength(a: readonly string[], b: readonly string[]): number {
  let row = new Int32Array(b.length + 1)
  for (const word of a) {
    const next = new Int32Array(b.length + 1)
    for (let j = 0; j < b.length; j++)
      next[j + 1] = word === b[j] ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!)
    row = next
  }
  return row[b.length]!
}
