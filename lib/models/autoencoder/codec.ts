import { basename, dirname, join } from 'node:path'
import { checkArguments, checkOptions } from '../../arguments.js'
import { replaceFiles } from '../../files/atomic_folder.js'
import { type Checksums, checksumOf, DamagedFileError } from '../../files/checksum.js'
import { HeldFiles } from '../../files/held_files.js'
import {
  type CodecSizes,
  type ImageCodec,
  type ImageCodecConfig,
  splitValues,
  type ValueRange,
} from '../../image/codec.js'
import type { EncodedImage, Image, ImageSize } from '../../image/image.js'
import { imageFromFloats } from '../../image/pixels.js'
import { type AutoencoderConfig, downscaleOf, latentChannelsOf } from './config.js'
import { encodeImagesBy } from './encode_images.js'
import {
  type AutoencoderFiles,
  autoencoderFiles,
  describeAutoencoder,
  filesOf,
  type LoadAutoencoderOptions,
  loadAutoencoder,
  type LoadedAutoencoder,
} from './io/folder.js'
import { calibrationOf, type LatentCalibration, type LatentScaling } from '../../image/latent_calibration.js'
import { previewImage } from '../../image/latent_preview.js'
import { isUnscaled, type LatentScale, scaleLatents, unscaleLatents } from '../../image/latent_scale.js'
import { addLatent, type LatentStatistics, noStatistics } from '../../image/latent_statistics.js'
import { defaultTile, type NetworkBody, runNetwork } from './run_network.js'
import type { Field } from './tiles.js'

/** Images that are measured together. */
const measuredAtOnce = 8

/** The sizes of the codec that an autoencoder is. */
export const codecSizesOfAutoencoder = (config: AutoencoderConfig): CodecSizes => ({
  imageChannels: config.imageChannels,
  channels: latentChannelsOf(config),
  downscale: downscaleOf(config),
})

/** How an autoencoder's folder is read, and its images are computed. */
export interface AutoencoderCodecOptions extends Omit<LoadAutoencoderOptions, 'trainable'> {
  /** What the checksums of its files must be, by their names; by default any. */
  checksums?: Readonly<Record<string, string>> | undefined
  /** What was measured of its latents before, see `calibrate`; by default nothing. */
  calibration?: LatentCalibration | undefined
  /**
   * Side in pixels, a multiple of 4 `downscale`, beyond which an image is computed in tiles of this side that share a quarter
   * of it, blended; 512 by default, as in diffusers. Norms and attention see a tile alone, so that results differ from those of the whole.
   */
  tile?: number
}

/**
 * An autoencoder of a folder as the codec of a model: images to the means of their latents, scaled (of a VQ-VAE the vectors
 * before they are rounded to codes), and back. It owns native memory, which `Symbol.dispose` frees.
 */
export class AutoencoderCodec implements ImageCodec {
  /** Of its files, by their names. */
  readonly checksums: Readonly<Record<string, string>>
  readonly imageChannels: Image['channels']
  readonly channels: number
  readonly downscale: number
  /** Side in pixels, beyond which images are computed in tiles of this side, a quarter of it shared by neighbours. */
  readonly tile: number
  readonly #autoencoder: LoadedAutoencoder
  #calibration: LatentCalibration | undefined
  /** Of the weights' first file, as it was read. */
  readonly #weights: string
  /** A run outlives what may happen to the folder that it began with. */
  readonly #files: HeldFiles

  /** Reads a folder as `loadAutoencoder` does. Rejects with a DamagedFileError where its files have other checksums. */
  static async load(path: string, options: AutoencoderCodecOptions = {}): Promise<AutoencoderCodec> {
    checkArguments('AutoencoderCodec.load', { path: [path, 'string'] })
    checkOptions('AutoencoderCodec.load', options, {
      compute: true,
      device: true,
      checksums: true,
      calibration: true,
      encoder: true,
      tile: true,
    })
    const { checksums, calibration, tile, ...rest } = options
    const { config } = await describeAutoencoder(path)
    const downscale = downscaleOf(config)
    const unit = 4 * downscale
    const side = tile ?? defaultTile(downscale)
    if (!Number.isSafeInteger(side) || side < unit || side % unit !== 0)
      throw new RangeError(
        `AutoencoderCodec.load: tile must be a multiple of ${unit} pixels, received ${side}`,
      )
    const files = await autoencoderFiles(path)
    const found = await checksumsOf(files)
    for (const file of filesOf(files))
      if (checksums && checksums[basename(file)] !== found[basename(file)])
        throw new DamagedFileError(file, 'is not the one that the model was trained with', dirname(file))
    const codec = new AutoencoderCodec(
      // A codec is never trained.
      await loadAutoencoder(path, { ...rest, trainable: false }),
      files,
      found,
      side,
    )
    codec.#calibration = calibration
    return codec
  }

  private constructor(
    autoencoder: LoadedAutoencoder,
    files: AutoencoderFiles,
    checksums: Checksums,
    tile: number,
  ) {
    if (typeof autoencoder !== 'object' || autoencoder === null || !('network' in autoencoder))
      throw new TypeError('AutoencoderCodec: it is made by AutoencoderCodec.load')
    const sizes = codecSizesOfAutoencoder(autoencoder.network.config)
    this.imageChannels = sizes.imageChannels
    this.channels = sizes.channels
    this.downscale = sizes.downscale
    this.checksums = checksums
    this.tile = tile
    this.#autoencoder = autoencoder
    this.#weights = files.weights[0]!
    this.#files = new HeldFiles(Object.fromEntries(filesOf(files).map((file) => [basename(file), file])))
  }

  /** What a model's folder records. */
  get config(): ImageCodecConfig {
    const calibration = this.#calibration
    return { type: 'autoencoder', checksums: this.checksums, ...(calibration && { calibration }) }
  }

  /** Between the latents and the values of the codec. */
  get scale(): LatentScale {
    return this.#calibration?.scale ?? this.#autoencoder.scale
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
    scaling: LatentScaling = hasScale(this.#autoencoder) ? 'autoencoder' : 'measured',
  ): void {
    this.#calibration = calibrationOf(statistics, this.#autoencoder.scale, scaling)
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
    const latents = await this.#encodeBy(images, (network, x) => network.encode(x))
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
    const moments = await this.#encodeBy(images, (network, x) => network.encoded(x))
    return moments.map((field) => {
      const part = (first: number) => ({
        height: field.height,
        width: field.width,
        values: field.values.filter((_, i) => Math.floor((i % field.channels) / channels) === first),
      })
      return { mean: part(0), ...(field.channels > channels && { logVariance: part(1) }) }
    })
  }

  async #encodeBy(images: readonly Image[], body: NetworkBody): Promise<Field[]> {
    const { downscale } = this
    for (const { height, width } of images)
      if (height % downscale !== 0 || width % downscale !== 0)
        throw new RangeError(
          `codec.encode: images must have sides that are multiples of ${downscale}, as the autoencoder halves them, ` +
            `received ${width} x ${height}`,
        )
    const fields = await encodeImagesBy(this.#autoencoder, images, body, { tile: this.tile })
    if (!fields.every(({ values }) => values.every(Number.isFinite)))
      throw new RangeError(
        `codec.encode: the autoencoder gives latents that are not finite; expected finite weights in ${this.#weights}`,
      )
    return fields
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
    const { downscale, channels, imageChannels } = this
    const latents = splitValues(values, sizes, channels).map(({ height, width, values }) => ({
      height,
      width,
      channels,
      values: unscaleLatents(values, this.scale),
    }))
    if (!values.every(Number.isFinite)) throw new RangeError('codec.decode: values must be finite')
    const { network } = this.#autoencoder
    const run = { factor: downscale, tile: this.tile }
    const pixels = await runNetwork(network, latents, run, (network, z) => network.decode(z))
    return pixels.map(({ values, height, width }) =>
      imageFromFloats(values, { height, width, channels: imageChannels }),
    )
  }

  /**
   * Links the autoencoder's files into the folder `autoencoder` of a model's, or copies them where that cannot be, as on another
   * file system. They are there until the codec is disposed of, even where somebody deletes them.
   */
  async saveInto(folder: string): Promise<void> {
    const target = join(folder, autoencoderFolderName)
    if (await this.#files.areIn(target)) return
    await replaceFiles(target, (aside) => this.#files.saveInto(aside))
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.#autoencoder.network[Symbol.dispose]()
    this.#autoencoder.encoder?.[Symbol.dispose]?.()
    this.#files[Symbol.dispose]()
  }
}

/** The checksums of an autoencoder's files, by their names. Throws as `loadAutoencoder` where a file is missing. */
export const autoencoderChecksums = async (path: string): Promise<Checksums> =>
  checksumsOf(await autoencoderFiles(path))

async function checksumsOf(files: AutoencoderFiles): Promise<Checksums> {
  const sums: Record<string, string> = {}
  for (const file of filesOf(files)) sums[basename(file)] = await checksumOf(file)
  return sums
}

/** Where a model's folder has its autoencoder. */
export const autoencoderFolderName = 'autoencoder'

/** Whether an autoencoder's config has factors for its latents; diffusers has one for a VQModel that nothing says it needs. */
const hasScale = ({ network, scale }: LoadedAutoencoder): boolean =>
  network.config.codebook === undefined && !isUnscaled(scale)
