/** Height and width, in pixels or in positions of a latent. */
export interface ImageSize {
  /** Rows. */
  readonly height: number
  /** Columns. */
  readonly width: number
}

/** An image of bytes: row-major, channels last, `data.length = height * width * channels`, values 0..255. */
export interface Image extends ImageSize {
  /** Pixels. */
  readonly width: number
  /** Pixels. */
  readonly height: number
  /** 1 is grayscale, 3 is RGB. */
  readonly channels: 1 | 3
  /** `[height, width, channels]`, 0 is black. */
  readonly data: Uint8Array
}

/** An image as a model reads and generates it: C values at each position, which is a pixel or a position of a latent. */
export interface EncodedImage extends ImageSize {
  /** `[height, width, C]` */
  readonly values: Float32Array
}
