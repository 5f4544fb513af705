import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Field, runInTiles, tileStarts } from '../../../lib/models/autoencoder/tiles.js'
import { AutoencoderNetwork } from '../../../lib/models/autoencoder/network.js'
import { defaultTile, type NetworkBody, runNetwork } from '../../../lib/models/autoencoder/run_network.js'
import { fence, memory, trimMemory } from '../../../lib/tensor/device.js'
import { AutoencoderCodec } from '../../../lib/models/autoencoder/codec.js'
import { generator } from '../../host_array.js'

const fixtures = fileURLToPath(new URL('../../fixtures/autoencoders/', import.meta.url))

const randomField = (height: number, width: number, channels: number): Field => {
  const next = generator(1)
  return {
    height,
    width,
    channels,
    values: Float32Array.from({ length: height * width * channels }, () => next()),
  }
}

/** Each value repeated in blocks of factor by factor, as if by a decoder that sees one position. */
async function enlarge({ height, width, channels, values }: Field, factor: number): Promise<Field> {
  const size = { height: height * factor, width: width * factor }
  const large = Float32Array.from({ length: size.height * size.width * channels }, (_, i) => {
    const place = Math.floor(i / channels)
    const y = Math.floor(Math.floor(place / size.width) / factor)
    const x = Math.floor((place % size.width) / factor)
    return values[(y * width + x) * channels + (i % channels)]!
  })
  return { ...size, channels, values: large }
}

/** The first of each block. */
async function shrink({ height, width, channels, values }: Field, by: number): Promise<Field> {
  const size = { height: height / by, width: width / by }
  const small = Float32Array.from({ length: size.height * size.width * channels }, (_, i) => {
    const place = Math.floor(i / channels)
    const y = Math.floor(place / size.width) * by
    return values[(y * width + (place % size.width) * by) * channels + (i % channels)]!
  })
  return { ...size, channels, values: small }
}

function expectNear(found: Field, expected: Field, error: number): void {
  expect([found.height, found.width, found.channels]).toEqual([
    expected.height,
    expected.width,
    expected.channels,
  ])
  const worst = found.values.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - expected.values[i]!)),
    0,
  )
  expect(worst).toBeLessThan(error)
}

describe('runInTiles', () => {
  it.each([
    [7, 7],
    [16, 9],
    [9, 40],
    [33, 17],
    [8, 8],
  ])('of what sees one position alone gives what the whole gives: %i x %i', async (height, width) => {
    const field = randomField(height, width, 3)
    const tiles: string[] = []
    const run = async (tile: Field) => {
      tiles.push(`${tile.height} x ${tile.width}`)
      return enlarge(tile, 4)
    }
    expectNear(
      await runInTiles(field, { side: 8, overlap: 2 }, { factor: 4 }, run),
      await enlarge(field, 4),
      1e-6,
    )
    expect(new Set(tiles)).toEqual(new Set([`${Math.min(height, 8)} x ${Math.min(width, 8)}`]))

    const large = await enlarge(field, 4)
    const encoded = await runInTiles(large, { side: 32, overlap: 8 }, { factor: 1 / 4, unit: 4 }, (tile) =>
      shrink(tile, 4),
    )
    expectNear(encoded, field, 1e-6)
  })

  it('covers an axis from end to end, neighbours sharing what was asked at least', () => {
    for (let size = 1; size < 200; size++)
      for (const tiling of [
        { side: 8, overlap: 2 },
        { side: 16, overlap: 4 },
        { side: 12, overlap: 11 },
      ]) {
        const starts = tileStarts(size, tiling)
        expect(starts[0]).toBe(0)
        expect(starts.at(-1)! + Math.min(size, tiling.side)).toBe(size)
        for (let i = 1; i < starts.length; i++)
          expect(starts[i - 1]! + tiling.side - starts[i]!).toBeGreaterThanOrEqual(tiling.overlap)
      }
  })
})

it('an autoencoder in tiles gives nearly what it gives of the whole', async () => {
  const load = async (tile: number) => {
    const codec = await AutoencoderCodec.load(join(fixtures, 'sd'), { tile })
    onTestFinished(() => codec[Symbol.dispose]())
    return codec
  }
  const [whole, tiled] = [await load(256), await load(64)]
  // The same everywhere: norms and attention, which see a tile or the whole, then see much the same.
  const [height, width] = [96, 160]
  const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)]
    return 128 + 60 * Math.sin((Math.PI * x) / 8 + (i % 3)) * Math.cos((Math.PI * y) / 8)
  })
  const image = { height, width, channels: 3, data } as const
  const rms = (values: ArrayLike<number>) =>
    Math.sqrt(Array.from(values).reduce((sum, value) => sum + value ** 2, 0) / values.length)
  const latents = await whole.encode([image])
  const inTiles = await tiled.encode([image])
  // Random weights see far, and a tile has but 16 x 16 positions.
  expect(rms(latents.map((value, i) => value - inTiles[i]!)) / rms(latents)).toBeLessThan(0.2)
  const size = [{ height: height / 4, width: width / 4 }]
  const [one] = await whole.decode(latents, size)
  const [other] = await tiled.decode(latents, size)
  const difference = Float32Array.from(one!.data, (value, i) => value - other!.data[i]!)
  expect(rms(difference) / rms(one!.data)).toBeLessThan(0.1)
  await expect(AutoencoderCodec.load(join(fixtures, 'sd'), { tile: 100 })).rejects.toThrow(
    'tile must be a multiple of 16 pixels, received 100',
  )
})

describe.each(['f32', 'bf16'] as const)('an autoencoder of Stable Diffusion in %s', (compute) => {
  const layout = { channels: [128, 256, 512, 512], blocks: 2, latentChannels: 4, groups: 32 }
  const works: [string, number, NetworkBody][] = [
    ['encodes', 1 / 8, (network, x) => network.encode(x)],
    ['decodes', 8, (network, z) => network.decode(z)],
  ]
  it.each(works)('%s 1024 x 1024 in 4 GiB', async (_, factor, body) => {
    trimMemory()
    const before = memory().live
    using network = new AutoencoderNetwork(layout, compute, 'cpu', () => compute)
    const weights = memory().live - before
    expect(weights).toBeLessThan((compute === 'bf16' ? 2 : 4) * 84e6)
    network.arena.initialize(1)
    await fence()
    const [sideOf, channels] = [(pixels: number) => pixels / Math.max(1, factor), factor < 1 ? 3 : 4]
    /** Bytes beside the weights: held for one image of this side, and for reuse. */
    const takenBy = async (pixels: number, tile: number) => {
      trimMemory()
      const before = memory().live
      await runNetwork(
        network,
        [randomField(sideOf(pixels), sideOf(pixels), channels)],
        { factor, tile },
        body,
      )
      const { live, cached } = memory()
      return live + cached - before
    }
    const [one, many, larger] = [await takenBy(64, 64), await takenBy(128, 64), await takenBy(128, 128)]
    // A tile at a time, however many there are.
    expect(many).toBeLessThan(1.1 * one)
    // Of the tiles that a codec takes, by what each pixel adds.
    const side = defaultTile(8)
    const tile = one + ((larger - one) * (side ** 2 - 64 ** 2)) / (128 ** 2 - 64 ** 2)
    // Pixels, their sums and weights, and what is made of them.
    const outside = 1024 ** 2 * 4 * (3 * channels + 1)
    expect(weights + tile + outside).toBeLessThan(4 * 2 ** 30)
  })
})
