import type { Image } from '../image/image.js'

/** A piece of text in a document. */
export interface TextPart {
  /** Tells it from an image. */
  readonly type: 'text'
  /** Not empty. */
  readonly text: string
}

/** An image in a document. */
export interface ImagePart {
  /** Tells it from text. */
  readonly type: 'image'
  /** Of any size here; a model reads the sizes that its patches divide. */
  readonly image: Image
}

/** Text and images in reading order: one training sample, or one prompt. */
export interface Document {
  /** In reading order. */
  readonly parts: readonly (TextPart | ImagePart)[]
}
