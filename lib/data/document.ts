/** The first two stages of a document: raw, as sources give it, and tokenized, as a stream gives it to training. */
import type { EncodedImage, Image } from '../image/image.js'

/** A text in a raw document. */
export interface TextPart {
  /** Tells it from an image. */
  readonly type: 'text'
  /** Not empty. */
  readonly text: string
}

/** Pixels in a document. */
export interface ImagePart {
  /** Tells it from text. */
  readonly type: 'image'
  /** Of any size here; a model reads the sizes that its patches divide. */
  readonly image: Image
}

/** An image in a document that is encoded already: the values that a model reads, an autoencoder's latent for one. */
export interface LatentPart extends EncodedImage {
  /** Tells it from text. */
  readonly type: 'image'
  /** Set where the values are latents as an autoencoder gives them, which the model's codec is still to scale. */
  readonly unscaled?: true
}

/** An image file in a raw document: its path, or its bytes (PNG, JPEG, WebP). */
export type ImageFilePart = { readonly type: 'image' } & (
  { readonly path: string } | { readonly bytes: Uint8Array }
)

/** An image before decoding. */
export type RawImagePart = ImagePart | LatentPart | ImageFilePart

/** A text or an image before tokenizing and decoding. */
export type RawPart = TextPart | RawImagePart

/** A document before tokenizing and decoding, which another thread may do. */
export interface RawDocument {
  /** Where it came from, for messages: a path, "captions.jsonl:17", "shard-000.tar: 00042". */
  readonly name: string
  /** In reading order. */
  readonly parts: readonly RawPart[]
}

/** A text as token ids. */
export interface TokenizedText {
  /** Tells it from an image. */
  readonly type: 'text'
  /** `[n]`, not empty. */
  readonly ids: Int32Array
}

/** A text as token ids, or an image as the model's codec or the model itself reads it. */
export type TokenizedPart = TokenizedText | ImagePart | LatentPart

/** A document whose texts are tokenized and whose image files are decoded. */
export interface TokenizedDocument {
  /** Where it came from, for messages. */
  readonly name: string
  /** In reading order. */
  readonly parts: readonly TokenizedPart[]
}

/** Whether nothing is left to decode in a part. */
export const isDecoded = (part: RawPart): part is ImagePart | LatentPart =>
  'image' in part || 'values' in part
