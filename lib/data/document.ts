/** An image of bytes: row-major, channels last, `data.length = height * width * channels`, values 0..255. */
export interface Image {
  readonly width: number
  readonly height: number
  /** 1 is grayscale, 3 is RGB. */
  readonly channels: 1 | 3
  readonly data: Uint8Array
}

export interface TextPart {
  readonly type: 'text'
  readonly text: string
}

export interface ImagePart {
  readonly type: 'image'
  readonly image: Image
}

/** Text and images in reading order: one training sample, or one prompt. */
export interface Document {
  readonly parts: readonly (TextPart | ImagePart)[]
}
