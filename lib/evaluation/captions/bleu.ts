import type { CountedCaption } from './counted_captions.js'
import { forShared, orders } from './ngrams.js'

/** They keep what has no n-gram from dividing by 0: pycocoevalcap's. */
const [tiny, small] = [1e-15, 1e-9]

/** What BLEU is computed from: of one caption, or summed over many. */
interface Matches {
  /** Of each order: n-grams that a reference has, each as often as it has it at most. */
  readonly matched: number[]
  /** Of each order: all n-grams of the caption. */
  readonly written: number[]
  /** Words of the caption. */
  length: number
  /** Words of the reference that is nearest in length, the shorter of two. */
  referenceLength: number
}

/** BLEU-1 to BLEU-4 (Papineni et al. 2002) of all captions together, as pycocoevalcap computes it: n-grams and lengths are summed. */
export function bleuScores(captions: readonly CountedCaption[]): number[] {
  const zeros = () => Array.from({ length: orders }, () => 0)
  const total: Matches = { matched: zeros(), written: zeros(), length: 0, referenceLength: 0 }
  for (const caption of captions) {
    const { matched, written, length, referenceLength } = matchesOf(caption)
    for (let n = 0; n < orders; n++) {
      total.matched[n]! += matched[n]!
      total.written[n]! += written[n]!
    }
    total.length += length
    total.referenceLength += referenceLength
  }
  return scoresOf(total)
}

function matchesOf({ written, references }: CountedCaption): Matches {
  const matched = written.ngrams.map((candidate, n) => {
    const most = candidate.ids.map(() => 0)
    for (const { ngrams } of references)
      forShared(candidate, ngrams[n]!, (i, j) => (most[i] = Math.max(most[i]!, ngrams[n]!.counts[j]!)))
    return candidate.counts.reduce((sum, count, i) => sum + Math.min(count, most[i]!), 0)
  })
  const lengths = references.map(({ length }) => length)
  const nearest = lengths.reduce((best, length) => {
    const nearer = Math.abs(length - written.length) - Math.abs(best - written.length)
    return nearer < 0 || (nearer === 0 && length < best) ? length : best
  })
  return {
    matched,
    written: matched.map((_, n) => Math.max(0, written.length - n)),
    length: written.length,
    referenceLength: nearest,
  }
}

function scoresOf({ matched, written, length, referenceLength }: Matches): number[] {
  const ratio = (length + tiny) / (referenceLength + small)
  const brevity = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1
  let product = 1
  return matched.map((count, n) => {
    product *= (count + tiny) / (written[n]! + small)
    return product ** (1 / (n + 1)) * brevity
  })
}
