import { noGrad } from '../../autograd/tape.js'
import { type ImageCodec, type ImageCodecConfig, joinValues, splitValues } from '../../image/codec.js'
import type { Image, ImageSize } from '../../image/image.js'
import { withDevice } from '../../tensor/device.js'
import { scope } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import { checkArguments, checkOptions } from '../../arguments.js'
import { type AutoencoderConfig, downscaleOf, latentChannelsOf } from './config.js'
import { HeldAutoencoder, heldAutoencoderKeys, type HeldAutoencoderOptions } from './held_autoencoder.js'
import type { LoadedAutoencoder } from './io/folder.js'

/** The sizes of the codec of codes that a VQ-VAE is; undefined for other autoencoders. */
export const codeCodecSizes = (config: AutoencoderConfig) =>
  config.codebook && {
    imageChannels: config.imageChannels,
    channels: 1,
    downscale: downscaleOf(config),
    codes: config.codebook.codes,
  }

/**
 * A VQ-VAE of a folder as the codec of a model whose images are tokens (Chameleon): images to their codes, a number 0 .. K - 1
 * for each position, and back. It owns native memory, which `Symbol.dispose` frees.
 */
export class CodeCodec implements ImageCodec {
  readonly imageChannels: Image['channels']
  /** 1: the value of a position is its code. */
  readonly channels = 1
  readonly downscale: number
  readonly codes: number
  readonly #held: HeldAutoencoder
  readonly #canDecode: boolean

  /**
   * Reads a folder as `loadAutoencoder` does. Rejects with a DamagedFileError where its files have other checksums than
   * those of the options, and an Error for an autoencoder without a codebook.
   */
  static async load(path: string, options: HeldAutoencoderOptions = {}): Promise<CodeCodec> {
    checkOptions('CodeCodec.load', options, heldAutoencoderKeys)
    return new CodeCodec(await HeldAutoencoder.load('CodeCodec.load', path, options))
  }

  /** A VQ-VAE that was read from elsewhere, `name`; `canDecode`: whether its decoder has weights. */
  static of(autoencoder: LoadedAutoencoder, name: string, canDecode: boolean): CodeCodec {
    checkArguments('CodeCodec.of', { autoencoder: [autoencoder, 'autoencoder'], name: [name, 'string'] })
    return new CodeCodec(HeldAutoencoder.of(autoencoder, name), canDecode)
  }

  private constructor(held: HeldAutoencoder, canDecode = true) {
    if (!(held instanceof HeldAutoencoder)) throw new TypeError('CodeCodec: it is made by CodeCodec.load')
    const sizes = codeCodecSizes(held.autoencoder.network.config)
    if (!sizes) {
      held[Symbol.dispose]()
      throw new Error(`${held.name}: expected a VQ-VAE, which has a codebook: images are to become its codes`)
    }
    this.imageChannels = sizes.imageChannels
    this.downscale = sizes.downscale
    this.codes = sizes.codes
    this.#held = held
    this.#canDecode = canDecode
  }

  /** What a model's folder records. */
  get config(): ImageCodecConfig {
    return { type: 'codes', checksums: { ...this.#held.checksums } }
  }

  /** Images to codes `[S]`. Rejects with a RangeError where an image's sides are no multiples of `downscale`. */
  async encode(images: readonly Image[]): Promise<Float32Array> {
    const fields = await this.#held.encode(images, (network, x) => network.encode(x))
    const channels = latentChannelsOf(this.#held.autoencoder.network.config)
    const codes = await this.#run(
      ({ codebook }) => codebook.nearest(fromArray(joinValues(fields), [-1, channels])),
      (ids) => ids.readInts(),
    )
    return Float32Array.from(codes)
  }

  /** Codes `[S]` to images. Rejects with a RangeError for what is no code, and an Error where the decoder has no weights. */
  async decode(values: Float32Array, sizes: readonly ImageSize[]): Promise<Image[]> {
    const { codes } = this
    if (!this.#canDecode)
      throw new Error(
        `${this.#held.name}: it has no decoder, so that codes become no pixels: give one, by \`imageDecoder\``,
      )
    const wrong = values.find((code) => !(Number.isInteger(code) && code >= 0 && code < codes))
    if (wrong !== undefined)
      throw new RangeError(`codec.decode: values must be codes, 0 .. ${codes - 1}, received ${wrong}`)
    const channels = latentChannelsOf(this.#held.autoencoder.network.config)
    const vectors = await this.#run(
      ({ codebook }) => codebook.vectors(fromArray(Int32Array.from(values))),
      (z) => z.readFloats(),
    )
    return this.#held.decode(splitValues(vectors, sizes, channels).map((part) => ({ ...part, channels })))
  }

  #run<Values>(
    body: (network: LoadedAutoencoder['network']) => Tensor,
    read: (result: Tensor) => Promise<Values>,
  ): Promise<Values> {
    const { network } = this.#held.autoencoder
    using result = withDevice(network.arena.device, () => noGrad(() => scope(() => body(network))))
    return read(result)
  }

  /** Writes the VQ-VAE's files into the folder `autoencoder` of a model's. */
  saveInto(folder: string): Promise<void> {
    return this.#held.saveInto(folder)
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]()
  }
}
