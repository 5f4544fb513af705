/** Text and images in any order, and the special tokens that frame them in a sequence. */
import type { ImageSize } from '../image/image.js'

/** Text as token ids. */
export interface TextPart {
  /** Tells it from an image. */
  readonly type: 'text'
  /** Of the tokens. */
  readonly ids: readonly number[] | Int32Array
  /** Weight of these tokens as LM targets; default 1, 0: not trained. */
  readonly weight?: number
}

/** The size of an image in a document, in positions of the model: pixels, or positions of a latent. */
export interface ImagePart extends ImageSize {
  /** Tells it from text. */
  readonly type: 'image'
  /** Whether training limits this image's noise. Default: yes where no text precedes it (paper.md; section 4.3.4). */
  readonly limitNoise?: boolean
}

/** `Image` may carry more than its size (pixels, a file's name): packing hands the parts back in order. */
export type Part<Image extends ImagePart = ImagePart> = TextPart | Image

/** The parts of a document before they are framed: ids of tokens, and sizes of images. */
export interface DocumentParts<Image extends ImagePart = ImagePart> {
  /** In reading order. */
  readonly parts: readonly Part<Image>[]
  /** Whether the end token closes the document (default true); false for a prompt. */
  readonly end?: boolean
  /** Whether its tokens are LM targets (default true). */
  readonly textTargets?: boolean
}

/** Ids of the tokens that frame documents and images. Without `bos` a document begins with its first part. */
export interface SpecialTokens {
  /** Begins a document. */
  readonly bos?: number | undefined
  /** Ends a document. */
  readonly end: number
  /** Begins an image. */
  readonly boi: number
  /** Ends an image. */
  readonly eoi: number
  /** The codes of images, where these are tokens: that of the first, which the others follow, or that of each. */
  readonly codes?: number | readonly number[] | undefined
}

const text = (...ids: number[]): TextPart => ({ type: 'text', ids })

/**
 * The document as it stands in a sequence: BOS, its parts with every image between BOI and EOI, end.
 * Throws a RangeError when a text holds BOI or EOI, which only an image may bring, or what is no token id or weight.
 */
export function documentSpans<Image extends ImagePart>(
  document: DocumentParts<Image>,
  tokens: SpecialTokens,
): Part<Image>[] {
  const spans: Part<Image>[] = tokens.bos === undefined ? [] : [text(tokens.bos)]
  for (const part of document.parts) {
    if (part.type === 'image') {
      spans.push(text(tokens.boi), part, text(tokens.eoi))
    } else {
      checkText(part, tokens)
      spans.push(part)
    }
  }
  if (document.end !== false) spans.push(text(tokens.end))
  return spans
}

/** What stands before an image's patches when it is generated without a condition: [BOS, BOI] (our choice). */
export function unconditionalPrefix(tokens: SpecialTokens): TextPart {
  return tokens.bos === undefined ? text(tokens.boi) : text(tokens.bos, tokens.boi)
}

/**
 * The training form of an image without its condition (classifier-free guidance; the paper is silent, our
 * choice): [BOS, BOI, patches, EOI] alone, its noise not limited since sampling begins at full noise. It has
 * no LM targets: they would teach that a document may begin with an image and end after it.
 *
 * `image`: which image of the document, from 0. Throws a RangeError when there is none of that number.
 */
export function dropCondition<Image extends ImagePart>(
  document: DocumentParts<Image>,
  image: number,
): DocumentParts<Image> {
  const images = document.parts.filter((part) => part.type === 'image')
  const kept = images[image]
  if (!kept) throw new RangeError(`dropCondition: image ${image} of a document with ${images.length} images`)
  return { parts: [{ ...kept, limitNoise: false }], end: false, textTargets: false }
}

function checkText(part: TextPart, tokens: SpecialTokens): void {
  if (part.weight !== undefined && !(part.weight >= 0 && part.weight < Infinity)) {
    throw new RangeError(`document: weight ${part.weight} of a text part must be at least 0 and finite`)
  }
  for (const id of part.ids) {
    if (!Number.isInteger(id) || id < 0) throw new RangeError(`document: ${id} is not a token id`)
    if (id === tokens.boi || id === tokens.eoi) {
      throw new RangeError(`document: token ${id} (${id === tokens.boi ? 'BOI' : 'EOI'}) in a text part`)
    }
  }
}
