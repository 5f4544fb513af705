/** An autoencoder that a codec computes with, and its files, which models' folders take along. */
import { basename, dirname, join } from 'node:path'
import { checkArguments } from '../../arguments.js'
import { replaceFiles } from '../../files/atomic_folder.js'
import { type Checksums, checksumOf, DamagedFileError } from '../../files/checksum.js'
import { HeldFiles } from '../../files/held_files.js'
import type { Image } from '../../image/image.js'
import { imageFromFloats } from '../../image/pixels.js'
import { downscaleOf } from './config.js'
import { encodeImagesBy } from './encode_images.js'
import {
  type AutoencoderFiles,
  autoencoderFiles,
  describeAutoencoder,
  filesOf,
  type LoadAutoencoderOptions,
  loadAutoencoder,
  type LoadedAutoencoder,
  saveAutoencoder,
} from './io/folder.js'
import { defaultTile, type NetworkBody, runNetwork } from './run_network.js'
import type { Field } from './tiles.js'

/** Where a model's folder has its autoencoder. */
export const autoencoderFolderName = 'autoencoder'

/** How an autoencoder's folder is read for a codec, and its images are computed. */
export interface HeldAutoencoderOptions extends Omit<LoadAutoencoderOptions, 'trainable'> {
  /** What the checksums of its files must be, by their names; by default any. */
  checksums?: Readonly<Record<string, string>> | undefined
  /**
   * Side in pixels, a multiple of 4 `downscale`, beyond which an image is computed in tiles of this side that share a quarter
   * of it, blended; 512 by default, as in diffusers. Norms and attention see a tile alone, so that results differ from those of the whole.
   */
  tile?: number
}

/** The keys of {@link HeldAutoencoderOptions}, for `checkOptions`. */
export const heldAutoencoderKeys = {
  compute: true,
  device: true,
  checksums: true,
  encoder: true,
  tile: true,
} as const

/** A frozen autoencoder with its files held open; it owns native memory, which `Symbol.dispose` frees. */
export class HeldAutoencoder {
  #files: HeldFiles | undefined
  #checksums: Checksums

  private constructor(
    readonly autoencoder: LoadedAutoencoder,
    /** Side in pixels, beyond which images are computed in tiles. */
    readonly tile: number,
    /** What messages name it by. */
    readonly name: string,
    files: AutoencoderFiles | undefined,
    checksums: Checksums,
  ) {
    this.#files = files && holdFiles(filesOf(files))
    this.#checksums = checksums
  }

  /** Reads a folder as `loadAutoencoder` does. Rejects with a DamagedFileError where its files have other checksums. */
  static async load(
    callee: string,
    path: string,
    { checksums, tile, ...rest }: HeldAutoencoderOptions,
  ): Promise<HeldAutoencoder> {
    checkArguments(callee, { path: [path, 'string'] })
    const downscale = downscaleOf((await describeAutoencoder(path)).config)
    const unit = 4 * downscale
    const side = tile ?? defaultTile(downscale)
    if (!Number.isSafeInteger(side) || side < unit || side % unit !== 0)
      throw new RangeError(`${callee}: tile must be a multiple of ${unit} pixels, received ${side}`)
    const files = await autoencoderFiles(path)
    const found = await checksumsOf(files)
    for (const file of filesOf(files))
      if (checksums && checksums[basename(file)] !== found[basename(file)])
        throw new DamagedFileError(file, 'is not the one that the model was trained with', dirname(file))
    // A codec is never trained.
    const loaded = await loadAutoencoder(path, { ...rest, trainable: false })
    return new HeldAutoencoder(loaded, side, files.weights[0]!, files, found)
  }

  /** An autoencoder that was read from elsewhere, `name`; its files are written where it is saved first. */
  static of(autoencoder: LoadedAutoencoder, name: string): HeldAutoencoder {
    const tile = defaultTile(downscaleOf(autoencoder.network.config))
    return new HeldAutoencoder(autoencoder, tile, name, undefined, {})
  }

  /** Of its files, by their names; none of what was not saved yet. */
  get checksums(): Checksums {
    return this.#checksums
  }

  /**
   * What the network gives for images. Rejects with a RangeError where an image's sides are no multiples of the downscale
   * factor, or a result is not finite.
   */
  async encode(images: readonly Image[], body: NetworkBody): Promise<Field[]> {
    const downscale = downscaleOf(this.autoencoder.network.config)
    for (const { height, width } of images)
      if (height % downscale !== 0 || width % downscale !== 0)
        throw new RangeError(
          `codec.encode: images must have sides that are multiples of ${downscale}, as the autoencoder halves them, ` +
            `received ${width} x ${height}`,
        )
    const fields = await encodeImagesBy(this.autoencoder, images, body, { tile: this.tile })
    if (!fields.every(({ values }) => values.every(Number.isFinite)))
      throw new RangeError(
        `codec.encode: the autoencoder gives latents that are not finite; expected finite weights in ${this.name}`,
      )
    return fields
  }

  /** Images of latents. */
  async decode(latents: readonly Field[]): Promise<Image[]> {
    const { network } = this.autoencoder
    const { imageChannels: channels } = network.config
    const run = { factor: downscaleOf(network.config), tile: this.tile }
    const pixels = await runNetwork(network, latents, run, (network, z) => network.decode(z))
    return pixels.map(({ values, height, width }) => imageFromFloats(values, { height, width, channels }))
  }

  /**
   * Links its files into the folder `autoencoder` of a model's, or copies them where that cannot be, as on another file
   * system. They are there until it is disposed of, even where somebody deletes them.
   */
  async saveInto(folder: string): Promise<void> {
    const target = join(folder, autoencoderFolderName)
    if (!this.#files) {
      this.#checksums = await saveAutoencoder(target, this.autoencoder)
      this.#files = holdFiles(filesOf(await autoencoderFiles(target)))
    }
    const files = this.#files
    if (await files.areIn(target)) return
    await replaceFiles(target, (aside) => files.saveInto(aside))
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.autoencoder.network[Symbol.dispose]()
    this.autoencoder.encoder?.[Symbol.dispose]?.()
    this.#files?.[Symbol.dispose]()
  }
}

const holdFiles = (paths: readonly string[]): HeldFiles =>
  new HeldFiles(Object.fromEntries(paths.map((file) => [basename(file), file])))

/** The checksums of an autoencoder's files, by their names. Throws as `loadAutoencoder` where a file is missing. */
export const autoencoderChecksums = async (path: string): Promise<Checksums> =>
  checksumsOf(await autoencoderFiles(path))

async function checksumsOf(files: AutoencoderFiles): Promise<Checksums> {
  const sums: Record<string, string> = {}
  for (const file of filesOf(files)) sums[basename(file)] = await checksumOf(file)
  return sums
}
