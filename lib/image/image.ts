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
