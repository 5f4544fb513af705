/** An image of bytes: row-major, channels last, `data.length = height * width * channels`, values 0..255. */
export interface Image {
  /** Pixels. */
  readonly width: number
  /** Pixels. */
  readonly height: number
  /** 1 is grayscale, 3 is RGB. */
  readonly channels: 1 | 3
  /** `[height, width, channels]`, 0 is black. */
  readonly data: Uint8Array
}

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
