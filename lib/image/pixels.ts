import type { Image } from './image.js'

/**
 * Bytes 0..255 to floats -1..1, the range that diffusion works in; order unchanged (channels last).
 * `out`, where given, is filled from its start, so that a batch is converted without copies.
 */
export function bytesToFloats(bytes: Uint8Array, out = new Float32Array(bytes.length)): Float32Array {
  for (let i = 0; i < bytes.length; i++) out[i] = bytes[i] / 127.5 - 1
  return out
}

/** Floats -1..1 to bytes, rounded to nearest; values outside the range are clipped and NaN becomes 0. */
export function floatsToBytes(floats: Float32Array): Uint8Array {
  const bytes = new Uint8ClampedArray(floats.length)
  for (let i = 0; i < floats.length; i++) bytes[i] = (floats[i] + 1) * 127.5
  return new Uint8Array(bytes.buffer)
}

/** An image out of floats -1..1, [height, width, channels]. Throws RangeError where their number differs. */
export function imageFromFloats(
  floats: Float32Array,
  size: Pick<Image, 'width' | 'height' | 'channels'>,
): Image {
  const { width, height, channels } = size
  if (floats.length !== width * height * channels) {
    throw new RangeError(
      `imageFromFloats: floats must be ${width * height * channels} values, for ${width} x ${height} pixels of ` +
        `${channels} channels, received ${floats.length}`,
    )
  }
  return { width, height, channels, data: floatsToBytes(floats) }
}

/** Images of one size beside each other, with two columns of pixels of this grey, 0 .. 255, between them. */
export function sideBySide(images: readonly Image[], grey: number): Image {
  const gap = 2
  const { width, height, channels } = images[0]!
  const step = width + gap
  const total = images.length * step - gap
  const data = new Uint8Array(total * height * channels).fill(grey)
  images.forEach((image, i) => {
    for (let y = 0; y < height; y++) {
      const row = image.data.subarray(y * width * channels, (y + 1) * width * channels)
      data.set(row, (y * total + i * step) * channels)
    }
  })
  return { width: total, height, channels, data }
}

/** The bytes of all images, one image after the other. */
export function concatenateImages(images: readonly Image[]): Uint8Array {
  const bytes = new Uint8Array(images.reduce((total, { data }) => total + data.length, 0))
  let offset = 0
  for (const { data } of images) {
    bytes.set(data, offset)
    offset += data.length
  }
  return bytes
}
