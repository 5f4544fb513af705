/** Frozen encoders of representation autoencoders (RAE, Zheng et al. 2025): features of a network, a decoder of our own. */
import type { ImageSize } from '../../../image/image.js'
import { type AutoencoderConfig, downscaleOf } from '../config.js'
import { pixelsAtOnce, together } from '../run_network.js'
import type { Field } from '../tiles.js'

/** Features [N, C, h, w], f32. */
export interface FeatureMaps {
  /** N, C, h and w. */
  readonly shape: readonly number[]
  /** Row-major. */
  readonly values: Float32Array
}

/** What encodes images and is never trained: a network given as ONNX, or any function. */
export interface FrozenEncoder {
  /**
   * Images f32 [N, C, H, W], their pixels of 0..1 as the config's `mean` and `std` normalize them, to features [N, L, h, w]. What
   * it gives for an image must not depend on the others.
   */
  encode(images: Float32Array, shape: readonly [number, number, number, number]): Promise<FeatureMaps>
  /** What errors call it. */
  readonly name?: string
  /** Of the file that an autoencoder's folder takes along; absent where the encoder is given in code. */
  readonly checksum?: string
  /** Writes that file into a folder, as encoder.onnx; absent where there is none. */
  saveInto?(folder: string): Promise<void>
  /** Frees what it holds; absent where that is nothing. */
  [Symbol.dispose]?(): void
}

/** What an autoencoder's folder calls the file of its frozen encoder. */
export const encoderFile = 'encoder.onnx'

/** The features of images as latents [h, w, L], in the images' order. Rejects with an Error where they do not fit the config. */
export async function encodeFrozen(
  encoder: FrozenEncoder,
  config: AutoencoderConfig,
  images: readonly Field[],
): Promise<Field[]> {
  const results: Field[] = []
  for (const part of together(images, pixelsAtOnce)) {
    const alike = part.map((index) => images[index]!)
    const encoded = await encodeAlike(encoder, config, alike)
    part.forEach((index, i) => (results[index] = encoded[i]!))
  }
  return results
}

async function encodeAlike(
  encoder: FrozenEncoder,
  config: AutoencoderConfig,
  images: readonly Field[],
): Promise<Field[]> {
  const { height, width, channels } = images[0]!
  const input = new Float32Array(images.length * height * width * channels)
  const { mean, std } = config.frozenEncoder!
  images.forEach(({ values }, n) => {
    const start = n * values.length
    values.forEach((value, i) => {
      const c = i % channels
      const place = start + c * height * width + Math.floor(i / channels)
      input[place] = ((value + 1) / 2 - ofChannel(mean, c)) / ofChannel(std, c)
    })
  })
  const { shape, values } = await encoder.encode(input, [images.length, channels, height, width])
  const expected = expectedShape(config, images.length, { height, width })
  const problem = problemOf({ shape, values }, expected, config)
  if (problem) throw new Error(`${encoder.name ?? 'the frozen encoder'}: ${problem}`)
  const [, L, h, w] = expected
  return images.map((_, n) => {
    const latent = new Float32Array(L * h * w)
    for (let c = 0; c < L; c++)
      for (let i = 0; i < h * w; i++) latent[i * L + c] = values[(n * L + c) * h * w + i]!
    return { height: h, width: w, channels: L, values: latent }
  })
}

const ofChannel = (values: readonly number[], channel: number): number => values[channel] ?? values[0]!

function expectedShape(
  config: AutoencoderConfig,
  images: number,
  { height, width }: ImageSize,
): [number, number, number, number] {
  const unit = downscaleOf(config)
  return [images, config.latentChannels, height / unit, width / unit]
}

/** What is wrong with features; undefined where nothing is. */
function problemOf({ shape, values }: FeatureMaps, expected: readonly number[], config: AutoencoderConfig) {
  if (shape.length !== 4 || shape.some((size, axis) => size !== expected[axis]))
    return (
      `gives features of [${shape.join(', ')}], expected [${expected.join(', ')}]: model.latentChannels is ${config.latentChannels}, ` +
      `and the ${config.channels.length} levels of model.channels make a position of ${downscaleOf(config)} x ${downscaleOf(config)} pixels`
    )
  if (values.length !== expected.reduce((a, b) => a * b))
    return `gives ${values.length} values for features of [${shape.join(', ')}]`
  const place = values.findIndex((value) => !Number.isFinite(value))
  return place < 0 ? undefined : `gives features that are not finite: value ${place} is ${values[place]}`
}
