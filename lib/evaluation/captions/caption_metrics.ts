import { checkArguments } from '../../arguments.js'
import { bleuScores } from './bleu.js'
import { captionWords } from './caption_words.js'
import { ciderScores } from './cider.js'
import { countCaptions } from './counted_captions.js'
import { rougeScores } from './rouge.js'

/** A caption, beside those that people wrote of the same image. */
export interface JudgedCaption {
  /** What the model wrote: a text, or its words. */
  readonly written: string | readonly string[]
  /** One or more: texts, or their words. */
  readonly references: readonly (string | readonly string[])[]
}

/** How near captions are to those that people wrote. */
export interface CaptionMetrics {
  /** CIDEr-D, which papers call CIDEr: the mean over the images, 0 to 10; papers multiply it by 100 (Vedantam et al. 2015). */
  readonly cider_d: number
  /** CIDEr without clipping of repeated n-grams and without penalty for length. */
  readonly cider: number
  /** BLEU of single words of all captions together, the nearest reference's length being compared (Papineni et al. 2002). */
  readonly bleu_1: number
  /** Of up to two words. */
  readonly bleu_2: number
  /** Of up to three. */
  readonly bleu_3: number
  /** Of up to four. */
  readonly bleu_4: number
  /** ROUGE-L with beta 1.2: the mean over the images (Lin 2004). */
  readonly rouge_l: number
  /** The scores whose means those are, one for each image. */
  readonly each: {
    readonly cider_d: readonly number[]
    readonly cider: readonly number[]
    readonly rouge_l: readonly number[]
  }
}

/**
 * The metrics of COCO's captions, as pycocoevalcap 1.2 computes them, without METEOR and SPICE, which need Java and WordNet.
 * Texts are parted by {@link captionWords}. CIDEr's document frequencies are those of the references that are given: scores are
 * comparable between models on the same images alone, and of few images they say little.
 *
 * @throws TypeError where an argument is of another kind; RangeError without captions, or for one without references
 */
export function captionMetrics(captions: readonly JudgedCaption[]): CaptionMetrics {
  checkArguments('captionMetrics', { captions: [captions, 'array'] })
  if (captions.length === 0) throw new RangeError('captionMetrics: captions are empty, expected one or more')
  const { counted, ngrams } = countCaptions(captions.map(wordsOf))
  const scores = ciderScores(counted, ngrams)
  const [bleu_1, bleu_2, bleu_3, bleu_4] = bleuScores(counted) as [number, number, number, number]
  const each = {
    cider_d: scores.map(({ ciderD }) => ciderD),
    cider: scores.map(({ cider }) => cider),
    rouge_l: rougeScores(counted),
  }
  const [cider_d, cider, rouge_l] = [mean(each.cider_d), mean(each.cider), mean(each.rouge_l)]
  return { cider_d, cider, bleu_1, bleu_2, bleu_3, bleu_4, rouge_l, each }
}

function wordsOf(caption: JudgedCaption, index: number) {
  const name = `captionMetrics: caption ${index}`
  checkArguments(name, { caption: [caption, 'object'] })
  checkArguments(name, { references: [caption.references, 'array'] })
  if (caption.references.length === 0) throw new RangeError(`${name} has no references, expected one or more`)
  const parted = (text: string | readonly string[], of: string) => {
    if (typeof text === 'string') return captionWords(text)
    checkArguments(name, { [of]: [text, 'strings'] })
    return text
  }
  return {
    written: parted(caption.written, 'written'),
    references: caption.references.map((reference) => parted(reference, 'each of references')),
  }
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length
