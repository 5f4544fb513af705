import type { AutoencoderOptions } from '../../models/autoencoder/config.js'
import type { ComputeType } from '../../nn/arena.js'
import type { WrittenAutoencoderConfig } from '../../run/autoencoder/config.js'
import type { Device } from '../../tensor/device.js'

/** Sides of pictures, in pixels, that there is an autoencoder for. */
export const latentSides = [64, 128, 256] as const
export type LatentSide = (typeof latentSides)[number]

export const isLatentSide = (side: number): side is LatentSide =>
  (latentSides as readonly number[]).includes(side)

/** Of a VQ-VAE, as large as the smaller one of Esser et al. 2021. */
const codes = 1024

/** Few channels, so that minutes on two cores suffice: a step takes a quarter of one of the presets'. */
export const autoencoderSizes = {
  64: { channels: [16, 32, 64], latentChannels: 4 },
  128: { channels: [16, 32, 64, 64], latentChannels: 8 },
  // The paper's shape: 256 x 256 x 3 to 32 x 32 x 8.
  256: { channels: [16, 32, 64, 64], latentChannels: 8 },
} as const satisfies Record<LatentSide, Pick<AutoencoderOptions, 'channels' | 'latentChannels'>>

/** Images of a step: as many pixels in each. */
const batchSizes = { 64: 16, 128: 8, 256: 4 } as const satisfies Record<LatentSide, number>

/** What is trained, on what, and for how long. */
export interface EmojiAutoencoder {
  /** Pixels along a side of the pictures. */
  readonly side: LatentSide
  /** What latents are: normal distributions, or codes. */
  readonly kind: 'kl' | 'vq'
  /** The folder of the pictures. */
  readonly pictures: string
  readonly minutes: number
  readonly seed: number
  readonly precision: ComputeType
  readonly device: Device
}

/** The config of an autoencoder of emoji, for `transfusion train`. */
export const emojiAutoencoderConfig = ({
  side,
  kind,
  pictures,
  minutes,
  seed,
  precision,
  device,
}: EmojiAutoencoder) =>
  ({
    data: { type: 'folder', path: pictures },
    imagePreprocessing: { width: side, height: side },
    model: {
      type: 'autoencoder',
      ...autoencoderSizes[side],
      blocks: 1,
      groups: 8,
      ...(kind === 'vq' && { codebook: { codes } }),
    },
    precision,
    device,
    training: {
      seed,
      minutes,
      batchSize: batchSizes[side],
      // In the first minutes the loss falls nearly twice as fast as with AdamW.
      optimizer: { type: 'muon', iterations: 3 },
      learningRate: { peak: 1e-2, final: 2e-4, warmupSteps: 50 },
      // The mean of |x - y| leaves rare colours grey for hundreds of steps: most pixels gain nothing by them.
      loss: { pixels: 'squared' },
      ema: 0.99,
    },
    samples: { every: 500 },
    checkpoints: { every: 200 },
  }) satisfies WrittenAutoencoderConfig
