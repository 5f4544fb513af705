/** Images as tokens: the codes of a VQ-VAE in one vocabulary with the text (Chameleon, arXiv 2405.09818). */
import type { EncodedImage } from '../image/image.js'
import type { Part, TextPart } from './document.js'
import type { EncodedPart } from './image_parts.js'
import type { TrainingSequence } from './training_sequence.js'

/** What of a model's config says which of its tokens are codes. */
export interface CodeConfig {
  readonly tokens: {
    /** The id of the first code, which the others follow, or that of each. */
    readonly codes?: number | readonly number[] | undefined
  }
  readonly image: {
    /** K; absent where images are no tokens. */
    readonly codes?: number | undefined
  }
}

/** The tokens that stand for codes. An image's values are its codes in raster order, 0 .. K - 1, one of each position. */
export class CodeTokens {
  /** `[K]`: the token of each code. */
  readonly ids: Int32Array
  readonly #codes: ReadonlyMap<number, number>

  /** `first`: the id of the first of K = `count` codes, which the others follow, or the ids of all. */
  constructor(first: number | readonly number[], count: number) {
    this.ids = Int32Array.from({ length: count }, (_, code) =>
      typeof first === 'number' ? first + code : first[code]!,
    )
    this.#codes = new Map(Array.from(this.ids, (id, code) => [id, code]))
  }

  /** Whether a token is a code. */
  has(id: number): boolean {
    return this.#codes.has(id)
  }

  /** The tokens of an image's values. Throws a RangeError, which names the value, for what is no code. */
  idsOf(values: Float32Array): Int32Array {
    return Int32Array.from(values, (code) => {
      const id = this.ids[code]
      if (id === undefined)
        throw new RangeError(`an image's values must be codes, 0 .. ${this.ids.length - 1}, received ${code}`)
      return id
    })
  }

  /** The values of an image of these tokens, all of them codes. */
  valuesOf(ids: Iterable<number>): Float32Array {
    return Float32Array.from(ids, (id) => this.#codes.get(id)!)
  }
}

const known = new WeakMap<CodeConfig['tokens'], CodeTokens>()

/** The code tokens of a model; undefined where its images are no tokens. */
export function codeTokensOf({ tokens, image }: CodeConfig): CodeTokens | undefined {
  if (image.codes === undefined || tokens.codes === undefined) return undefined
  const codes = known.get(tokens) ?? new CodeTokens(tokens.codes, image.codes)
  known.set(tokens, codes)
  return codes
}

/** The parts of a sequence with images as text; as they are where images are no tokens. Throws a RangeError as `idsOf`. */
export const imagesAsTokens = (
  parts: readonly Part<EncodedPart>[],
  codes: CodeTokens | undefined,
): readonly Part<EncodedPart>[] =>
  codes ? parts.map((part) => (part.type === 'image' ? tokensOf(part, codes) : part)) : parts

const tokensOf = ({ values }: EncodedImage, codes: CodeTokens, weight = 1): TextPart => ({
  type: 'text',
  ids: codes.idsOf(values),
  weight,
})

/**
 * A framed document with its images, whose values are given in their order, as tokens: they are LM targets where
 * `areTargets`, even of a document whose text is none. EOI is none, as behind patches: it always follows the last code. Throws
 * a RangeError as `idsOf`.
 */
export function sequenceOfTokens(
  { spans, length, textTargets }: TrainingSequence,
  images: readonly EncodedImage[],
  codes: CodeTokens,
  areTargets: boolean,
): TrainingSequence<never> {
  const values = images.values()
  return {
    spans: spans.map((span, i) => {
      if (span.type === 'image') return tokensOf(values.next().value!, codes, areTargets ? 1 : 0)
      const isEoi = spans[i - 1]?.type === 'image'
      return textTargets && !isEoi ? span : { ...span, weight: 0 }
    }),
    length,
    images: [],
    limitNoise: [],
    textTargets: true,
  }
}
