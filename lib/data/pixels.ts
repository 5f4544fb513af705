import type { Image } from './document.js'

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
      `[imageFromFloats] a ${width}x${height} image of ${channels} channels has ` +
        `${width * height * channels} values; received ${floats.length}`,
    )
  }
  return { width, height, channels, data: floatsToBytes(floats) }
}
