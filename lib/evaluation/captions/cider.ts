import { type CountedCaption } from './counted_captions.js'
import { forShared, type NgramCounts, orders } from './ngrams.js'

/** Of the Gaussian of the difference in length. */
const sigma = 6

/** TF-IDF weights of a text's n-grams of one order. */
interface Weighted extends NgramCounts {
  readonly weights: readonly number[]
  readonly norm: number
}

/** The scores of one caption, each 10 at most, but where it repeats n-grams plain CIDEr may be more. */
export interface CiderScores {
  /** CIDEr-D: repeated n-grams are clipped, and another length than the references' costs. */
  readonly ciderD: number
  /** Without either. */
  readonly cider: number
}

/**
 * CIDEr and CIDEr-D (Vedantam, Zitnick and Parikh 2015) of each caption against its references. The document frequency of
 * an n-gram is the number of images that have it in a reference: with one image every score is 0. As pycocoevalcap
 * computes it: the length is the number of bigrams.
 */
export function ciderScores(captions: readonly CountedCaption[], ngrams: number): CiderScores[] {
  const idf = inverseFrequencies(captions, ngrams)
  return captions.map(({ written, references }) => {
    const candidate = weigh(written.ngrams, idf)
    const total = { ciderD: 0, cider: 0 }
    for (const reference of references) {
      const weighted = weigh(reference.ngrams, idf)
      const longer = Math.max(0, written.length - 1) - Math.max(0, reference.length - 1)
      const penalty = Math.exp(-(longer ** 2) / (2 * sigma ** 2))
      for (let n = 0; n < orders; n++) {
        const similarity = cosines(candidate[n]!, weighted[n]!)
        total.ciderD += similarity.clipped * penalty
        total.cider += similarity.plain
      }
    }
    const scale = 10 / (orders * references.length)
    return { ciderD: total.ciderD * scale, cider: total.cider * scale }
  })
}

/** Of each n-gram: the logarithm of the share of the images that have it, negated. */
function inverseFrequencies(captions: readonly CountedCaption[], ngrams: number): Float64Array {
  const frequency = new Int32Array(ngrams + 1)
  /** The image that an n-gram was counted for last, from 1. */
  const counted = new Int32Array(ngrams + 1)
  for (const [image, { references }] of captions.entries())
    for (const reference of references)
      for (const { ids } of reference.ngrams)
        for (const id of ids) {
          if (counted[id] === image + 1) continue
          counted[id] = image + 1
          frequency[id]!++
        }
  return Float64Array.from(frequency, (count) => Math.log(captions.length) - Math.log(Math.max(1, count)))
}

const weigh = (ngrams: readonly NgramCounts[], idf: Float64Array): Weighted[] =>
  ngrams.map(({ ids, counts }) => {
    const weights = ids.map((id, i) => counts[i]! * idf[id]!)
    return { ids, counts, weights, norm: Math.hypot(...weights) }
  })

function cosines(candidate: Weighted, reference: Weighted): { plain: number; clipped: number } {
  let [plain, clipped] = [0, 0]
  forShared(candidate, reference, (i, j) => {
    const [own, theirs] = [candidate.weights[i]!, reference.weights[j]!]
    plain += own * theirs
    clipped += Math.min(own, theirs) * theirs
  })
  const norms = candidate.norm * reference.norm
  return norms === 0 ? { plain: 0, clipped: 0 } : { plain: plain / norms, clipped: clipped / norms }
}
