import { copyFile, link, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { noGrad } from '../../autograd/tape.js'
import { replaceFiles } from '../../files/atomic_folder.js'
import { type Checksums, checksumOf, DamagedFileError } from '../../files/checksum.js'
import { exists } from '../../files/exists.js'
import { type CodecSizes, type ImageCodec, type ImageCodecConfig, splitValues } from '../../image/codec.js'
import type { Image, ImageSize } from '../../image/image.js'
import { bytesToFloats, imageFromFloats } from '../../image/pixels.js'
import { cast } from '../../ops/cast.js'
import { withDevice } from '../../tensor/device.js'
import { scope } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import { type AutoencoderConfig, downscaleOf, latentChannelsOf } from './config.js'
import {
  type AutoencoderFiles,
  autoencoderFiles,
  type LoadAutoencoderOptions,
  loadAutoencoder,
  type LoadedAutoencoder,
} from './io/folder.js'
import { scaleLatents, unscaleLatents } from './latent_scale.js'

/** Pixels that go through the network at once: an image of 1024 x 1024, or 16 of 256 x 256. */
const pixelsAtOnce = 2 ** 20

/** The sizes of the codec that an autoencoder is. */
export const codecSizesOfAutoencoder = (config: AutoencoderConfig): CodecSizes => ({
  imageChannels: config.imageChannels,
  channels: latentChannelsOf(config),
  downscale: downscaleOf(config),
})

/**
 * An autoencoder of a folder as the codec of a model: images to the means of their latents, scaled (of a VQ-VAE the vectors
 * before they are rounded to codes), and back. It owns native memory, which `Symbol.dispose` frees.
 */
export class AutoencoderCodec implements ImageCodec {
  readonly config: ImageCodecConfig
  readonly imageChannels: Image['channels']
  readonly channels: number
  readonly downscale: number
  readonly #autoencoder: LoadedAutoencoder
  readonly #files: AutoencoderFiles

  /**
   * Reads a folder as `loadAutoencoder` does. `checksums`: what its files' must be, else it rejects with a DamagedFileError.
   */
  static async load(
    path: string,
    { checksums, ...options }: LoadAutoencoderOptions & { checksums?: Checksums | undefined } = {},
  ): Promise<AutoencoderCodec> {
    const files = await autoencoderFiles(path)
    const found: Record<string, string> = {}
    for (const file of [files.config, ...files.weights]) {
      const name = basename(file)
      found[name] = await checksumOf(file)
      if (checksums && checksums[name] !== found[name])
        throw new DamagedFileError(file, 'is not the one that the model was trained with', dirname(file))
    }
    return new AutoencoderCodec(await loadAutoencoder(path, options), files, found)
  }

  private constructor(autoencoder: LoadedAutoencoder, files: AutoencoderFiles, checksums: Checksums) {
    const sizes = codecSizesOfAutoencoder(autoencoder.network.config)
    this.imageChannels = sizes.imageChannels
    this.channels = sizes.channels
    this.downscale = sizes.downscale
    this.config = { type: 'autoencoder', checksums }
    this.#autoencoder = autoencoder
    this.#files = files
  }

  /** Rejects with a RangeError where an image's sides are no multiples of `downscale`, or its latents are not finite. */
  async encode(images: readonly Image[]): Promise<Float32Array> {
    const { downscale, channels, imageChannels } = this
    const sizes = images.map(({ height, width }) => {
      if (height % downscale !== 0 || width % downscale !== 0)
        throw new RangeError(
          `codec.encode: images must have sides that are multiples of ${downscale}, as the autoencoder halves them, ` +
            `received ${width} x ${height}`,
        )
      return { height: height / downscale, width: width / downscale }
    })
    const values = new Float32Array(
      sizes.reduce((sum, { height, width }) => sum + height * width * channels, 0),
    )
    const encoded = splitValues(values, sizes, channels)
    for (const part of batches(sizes, pixelsAtOnce / downscale ** 2)) {
      const { height, width } = images[part[0]!]!
      const pixels = new Float32Array(part.length * height * width * imageChannels)
      part.forEach((index, i) =>
        bytesToFloats(images[index]!.data, pixels.subarray(i * images[index]!.data.length)),
      )
      const latents = await this.#run(pixels, [part.length, height, width, imageChannels], (network, x) =>
        network.encode(x),
      )
      const scaled = scaleLatents(latents, this.#autoencoder.scale)
      if (!scaled.every(Number.isFinite))
        throw new RangeError('codec.encode: the autoencoder gives latents that are not finite')
      const length = scaled.length / part.length
      part.forEach((index, i) => encoded[index]!.values.set(scaled.subarray(i * length, (i + 1) * length)))
    }
    return values
  }

  /** Rejects with a RangeError where values are not finite. */
  async decode(values: Float32Array, sizes: readonly ImageSize[]): Promise<Image[]> {
    const { downscale, channels, imageChannels } = this
    const encoded = splitValues(values, sizes, channels)
    if (!values.every(Number.isFinite)) throw new RangeError('codec.decode: values must be finite')
    const images: Image[] = []
    for (const part of batches(sizes, pixelsAtOnce / downscale ** 2)) {
      const { height, width } = sizes[part[0]!]!
      const latents = new Float32Array(part.length * height * width * channels)
      part.forEach((index, i) => latents.set(encoded[index]!.values, i * height * width * channels))
      const unscaled = unscaleLatents(latents, this.#autoencoder.scale)
      const pixels = await this.#run(unscaled, [part.length, height, width, channels], (network, z) =>
        network.decode(z),
      )
      const length = pixels.length / part.length
      const size = { height: height * downscale, width: width * downscale, channels: imageChannels }
      part.forEach((index, i) => {
        images[index] = imageFromFloats(pixels.slice(i * length, (i + 1) * length), size)
      })
    }
    return images
  }

  /** Runs the network on values of -1 .. 1 or latents, and reads what it gives. */
  async #run(
    values: Float32Array,
    shape: readonly number[],
    body: (network: LoadedAutoencoder['network'], x: Tensor) => Tensor,
  ): Promise<Float32Array> {
    const { network } = this.#autoencoder
    const { device, compute } = network.arena
    using result = withDevice(device, () =>
      noGrad(() => scope(() => body(network, cast(fromArray(values, shape), compute)))),
    )
    return await result.readFloats()
  }

  /** Links the autoencoder's files into the folder `autoencoder` of a model's, or copies them where that cannot be. */
  async saveInto(folder: string): Promise<void> {
    const target = join(folder, autoencoderFolderName)
    const files = [this.#files.config, ...this.#files.weights]
    if (await haveSame(files, target)) return
    await replaceFiles(target, async (aside) => {
      for (const file of files) {
        const copy = join(aside, basename(file))
        await link(file, copy).catch(() => copyFile(file, copy))
      }
    })
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.#autoencoder.network[Symbol.dispose]()
  }
}

/** Where a model's folder has its autoencoder. */
export const autoencoderFolderName = 'autoencoder'

/** Whether each of the files is in the folder already, the very same. */
async function haveSame(files: readonly string[], folder: string): Promise<boolean> {
  for (const file of files) {
    const other = join(folder, basename(file))
    if (!(await exists(other))) return false
    const [a, b] = await Promise.all([stat(file), stat(other)])
    if (a.ino !== b.ino || a.dev !== b.dev) return false
  }
  return true
}

/** Indices of neighbours of one size, of so many positions together at most, or one. */
function batches(sizes: readonly ImageSize[], positions: number): number[][] {
  const parts: number[][] = []
  sizes.forEach(({ height, width }, index) => {
    const part = parts.at(-1)
    const first = part && sizes[part[0]!]!
    const fits = part && (part.length + 1) * height * width <= positions
    if (fits && first!.height === height && first!.width === width) part.push(index)
    else parts.push([index])
  })
  return parts
}
