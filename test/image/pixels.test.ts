import { describe, expect, it } from 'vitest'
import {
  bytesToFloats,
  concatenateImages,
  floatsToBytes,
  imageFromFloats,
  sideBySide,
} from '../../lib/image/pixels.js'

describe('pixels', () => {
  const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i)

  it('spans -1..1', () => {
    expect(bytesToFloats(Uint8Array.of(0, 255))).toEqual(Float32Array.of(-1, 1))
  })

  it('turns every byte into a float and back', () => {
    expect(floatsToBytes(bytesToFloats(everyByte))).toEqual(everyByte)
  })

  it('clips what is outside the range', () => {
    expect(floatsToBytes(Float32Array.of(-3, 1.01, Infinity, -Infinity, NaN, 0.999))).toEqual(
      Uint8Array.of(0, 255, 255, 0, 0, 255),
    )
  })

  it('fills a place in a batch', () => {
    const batch = new Float32Array(4)
    bytesToFloats(Uint8Array.of(255, 0), batch.subarray(2))
    expect(batch).toEqual(Float32Array.of(0, 0, 1, -1))
  })

  it('puts images beside and behind each other', () => {
    const image = (first: number) =>
      ({ width: 1, height: 2, channels: 3, data: Uint8Array.of(first, 1, 2, first, 3, 4) }) as const
    expect(concatenateImages([image(8), image(9)])).toEqual(Uint8Array.of(8, 1, 2, 8, 3, 4, 9, 1, 2, 9, 3, 4))
    const gap = [7, 7, 7, 7, 7, 7]
    expect(sideBySide([image(8), image(9)], 7)).toEqual({
      width: 4,
      height: 2,
      channels: 3,
      data: Uint8Array.of(8, 1, 2, ...gap, 9, 1, 2, 8, 3, 4, ...gap, 9, 3, 4),
    })
  })

  it('makes an image, and refuses a wrong number of values', () => {
    const size = { width: 2, height: 1, channels: 1 } as const
    expect(imageFromFloats(Float32Array.of(-1, 1), size)).toEqual({ ...size, data: Uint8Array.of(0, 255) })
    expect(() => imageFromFloats(new Float32Array(3), size)).toThrow(
      'imageFromFloats: floats must be 2 values, for ',
    )
  })
})
