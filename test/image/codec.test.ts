import { describe, expect, it } from 'vitest'
import { defaultImageCodec, joinValues, pixelCodec, splitValues } from '../../lib/image/codec.js'
import type { Image } from '../../lib/image/image.js'

const gray = (height: number, width: number, ...data: number[]): Image => ({
  height,
  width,
  channels: 1,
  data: Uint8Array.from(data),
})

describe('pixelCodec', () => {
  it('encodes images in a row as values from -1 to 1, and decodes them', async () => {
    const codec = pixelCodec(1)
    const images = [gray(1, 2, 0, 255), gray(2, 1, 51, 204), gray(1, 1, 255)]
    const values = await codec.encode(images)
    expect([...values].map((value) => +value.toFixed(6))).toEqual([-1, 1, -0.6, 0.6, 1])
    expect(await codec.decode(values, images)).toEqual(images)
  })

  it('keeps every byte of colour images', async () => {
    const codec = pixelCodec(3)
    const data = Uint8Array.from({ length: 768 }, (_, i) => i % 256)
    const image: Image = { height: 16, width: 16, channels: 3, data }
    expect(await codec.decode(await codec.encode([image]), [image])).toEqual([image])
    expect(codec).toMatchObject({ channels: 3, imageChannels: 3, downscale: 1, range: [-1, 1] })
  })

  it('refuses values of another number than the sizes have', () => {
    expect(() => pixelCodec(3).decode(new Float32Array(5), [{ height: 1, width: 2 }])).toThrow(
      'splitValues: values must be 6, as the sizes say, received 5 of 3 channels',
    )
  })

  it('is the default for the channels of images alone', () => {
    expect(defaultImageCodec(1)?.imageChannels).toBe(1)
    expect(defaultImageCodec(3)?.imageChannels).toBe(3)
    expect(defaultImageCodec(8)).toBeUndefined()
  })
})

it('splits values by image and joins them again', () => {
  const values = Float32Array.from({ length: 10 }, (_, i) => i / 4)
  const parts = splitValues(
    values,
    [
      { height: 1, width: 2 },
      { height: 3, width: 1 },
    ],
    2,
  )
  expect(parts.map((part) => [...part.values])).toEqual([
    [0, 0.25, 0.5, 0.75],
    [1, 1.25, 1.5, 1.75, 2, 2.25],
  ])
  expect(joinValues(parts)).toEqual(values)
})
