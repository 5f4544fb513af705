import { checkOptions } from '../../arguments.js'
import {
  type CodecSizes,
  type ImageCodec,
  type ImageCodecConfig,
  splitValues,
  type ValueRange,
} from '../../image/codec.js'
import type { EncodedImage, Image, ImageSize } from '../../image/image.js'
import { type AutoencoderConfig, downscaleOf, latentChannelsOf } from './config.js'
import type { LoadedAutoencoder } from './io/folder.js'
import { calibrationOf, type LatentCalibration, type LatentScaling } from '../../image/latent_calibration.js'
import { previewImage } from '../../image/latent_preview.js'
import { isUnscaled, type LatentScale, scaleLatents, unscaleLatents } from '../../image/latent_scale.js'
import { addLatent, type LatentStatistics, noStatistics } from '../../image/latent_statistics.js'
import { HeldAutoencoder, heldAutoencoderKeys, type HeldAutoencoderOptions } from './held_autoencoder.js'

/** Images that are measured together. */
const measuredAtOnce = 8

/** The sizes of the codec that an autoencoder is. */
export const codecSizesOfAutoencoder = (config: AutoencoderConfig): CodecSizes => ({
  imageChannels: config.imageChannels,
  channels: latentChannelsOf(config),
  downscale: downscaleOf(config),
})

/** How an autoencoder's folder is read, and its images are computed. */
export interface AutoencoderCodecOptions extends HeldAutoencoderOptions {
  /** What was measured of its latents before, see `calibrate`; by default nothing. */
  calibration?: LatentCalibration | undefined
}

/**
 * An autoencoder of a folder as the codec of a model: images to the means of their latents, scaled (of a VQ-VAE the vectors
 * before they are rounded to codes), and back. It owns native memory, which `Symbol.dispose` frees.
 */
export class AutoencoderCodec implements ImageCodec {
  readonly imageChannels: Image['channels']
  readonly channels: number
  readonly downscale: number
  readonly #held: HeldAutoencoder
  #calibration: LatentCalibration | undefined

  /** Reads a folder as `loadAutoencoder` does. Rejects with a DamagedFileError where its files have other checksums. */
  static async load(path: string, options: AutoencoderCodecOptions = {}): Promise<AutoencoderCodec> {
    checkOptions('AutoencoderCodec.load', options, { ...heldAutoencoderKeys, calibration: true })
    const { calibration, ...rest } = options
    const codec = new AutoencoderCodec(await HeldAutoencoder.load('AutoencoderCodec.load', path, rest))
    codec.#calibration = calibration
    return codec
  }

  private constructor(held: HeldAutoencoder) {
    if (!(held instanceof HeldAutoencoder))
      throw new TypeError('AutoencoderCodec: it is made by AutoencoderCodec.load')
    const sizes = codecSizesOfAutoencoder(held.autoencoder.network.config)
    this.imageChannels = sizes.imageChannels
    this.channels = sizes.channels
    this.downscale = sizes.downscale
    this.#held = held
  }

  /** Of its files, by their names. */
  get checksums(): Readonly<Record<string, string>> {
    return this.#held.checksums
  }

  /** Side in pixels, beyond which images are computed in tiles of this side, a quarter of it shared by neighbours. */
  get tile(): number {
    return this.#held.tile
  }

  /** What a model's folder records. */
  get config(): ImageCodecConfig {
    const calibration = this.#calibration
    return { type: 'autoencoder', checksums: this.checksums, ...(calibration && { calibration }) }
  }

  /** Between the latents and the values of the codec. */
  get scale(): LatentScale {
    return this.#calibration?.scale ?? this.#held.autoencoder.scale
  }

  /** Of the values, where it has been measured. */
  get range(): ValueRange | undefined {
    const largest = this.#calibration?.range
    return largest === undefined ? undefined : [-largest, largest]
  }

  /**
   * Takes what was measured of the latents of images: their range, colours for previews, and how they are scaled. `scaling`:
   * by default they are scaled by the factors of the autoencoder's config where it has any, else to unit variance.
   */
  calibrate(
    statistics: LatentStatistics,
    scaling: LatentScaling = hasScale(this.#held.autoencoder) ? 'autoencoder' : 'measured',
  ): void {
    this.#calibration = calibrationOf(statistics, this.#held.autoencoder.scale, scaling)
  }

  /** The statistics of the latents of images, for `calibrate`. Rejects as `encode`. */
  async measure(images: readonly Image[]): Promise<LatentStatistics> {
    let statistics = noStatistics(this.channels, this.imageChannels)
    for (let first = 0; first < images.length; first += measuredAtOnce) {
      const part = images.slice(first, first + measuredAtOnce)
      const moments = await this.encodeMoments(part)
      moments.forEach(({ mean }, i) => (statistics = addLatent(statistics, mean, part[i]!)))
    }
    return statistics
  }

  /** Rejects with a RangeError where an image's sides are no multiples of `downscale`, or its latents are not finite. */
  async encode(images: readonly Image[]): Promise<Float32Array> {
    const { channels } = this
    const latents = await this.#held.encode(images, (network, x) => network.encode(x))
    const values = new Float32Array(latents.reduce((sum, { values }) => sum + values.length, 0))
    for (const [i, encoded] of splitValues(values, latents, channels).entries())
      encoded.values.set(scaleLatents(latents[i]!.values, this.scale))
    return values
  }

  /**
   * What the encoder gives of each image, unscaled: means and log-variances, [h, w, C] each, of a VQ-VAE vectors alone. Rejects
   * as `encode`.
   */
  async encodeMoments(
    images: readonly Image[],
  ): Promise<{ mean: EncodedImage; logVariance?: EncodedImage }[]> {
    const { channels } = this
    const moments = await this.#held.encode(images, (network, x) => network.encoded(x))
    return moments.map((field) => {
      const part = (first: number) => ({
        height: field.height,
        width: field.width,
        values: field.values.filter((_, i) => Math.floor((i % field.channels) / channels) === first),
      })
      return { mean: part(0), ...(field.channels > channels && { logVariance: part(1) }) }
    })
  }

  /** Latents [..., C], as the autoencoder gives them, to the values of the codec. */
  scaleLatents(latents: Float32Array): Float32Array {
    return scaleLatents(latents, this.scale)
  }

  /** Images out of colours that a linear map gives for values; undefined where the latents have not been measured. */
  get preview(): ImageCodec['preview'] {
    const map = this.#calibration?.preview
    return (
      map &&
      ((values, sizes) =>
        splitValues(values, sizes, this.channels).map((encoded) =>
          previewImage(map, encoded, this.downscale),
        ))
    )
  }

  /** Rejects with a RangeError where values are not finite. */
  async decode(values: Float32Array, sizes: readonly ImageSize[]): Promise<Image[]> {
    const { channels } = this
    const latents = splitValues(values, sizes, channels).map(({ height, width, values }) => ({
      height,
      width,
      channels,
      values: unscaleLatents(values, this.scale),
    }))
    if (!values.every(Number.isFinite)) throw new RangeError('codec.decode: values must be finite')
    return this.#held.decode(latents)
  }

  /**
   * Links the autoencoder's files into the folder `autoencoder` of a model's, or copies them where that cannot be, as on another
   * file system. They are there until the codec is disposed of, even where somebody deletes them.
   */
  saveInto(folder: string): Promise<void> {
    return this.#held.saveInto(folder)
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]()
  }
}

/** Whether an autoencoder's config has factors for its latents; diffusers has one for a VQModel that nothing says it needs. */
const hasScale = ({ network, scale }: LoadedAutoencoder): boolean =>
  network.config.codebook === undefined && !isUnscaled(scale)
