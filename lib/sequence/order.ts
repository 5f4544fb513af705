/** How a pair of a caption and an image becomes a document. */
import type { DocumentParts, ImagePart, TextPart } from './document.js'

export type PairOrder = 'caption-first' | 'image-first'

/** The paper's share of caption-first pairs (section 4.1). */
export const captionFirstShare = 0.8

/** Caption first for a uniform number `u` in [0, 1) below `share`. */
export function pairOrder(u: number, share = captionFirstShare): PairOrder {
  return u < share ? 'caption-first' : 'image-first'
}

/** The parts of a pair in this order: caption first trains generation of images, image first trains captioning. */
export function orderPair<Image extends ImagePart>(
  caption: TextPart,
  image: Image,
  order: PairOrder,
): DocumentParts<Image> {
  return { parts: order === 'caption-first' ? [caption, image] : [image, caption] }
}
