import type { ImageSize } from '../../image/image.js'
import type { AutoencoderOptions } from './config.js'

/** What a preset sets. */
export interface AutoencoderPreset extends Pick<
  AutoencoderOptions,
  'channels' | 'blocks' | 'latentChannels' | 'groups'
> {
  /** Pixels of the images that it is meant for; an autoencoder reads others, too. */
  readonly image: ImageSize
}

const square = (side: number): ImageSize => ({ height: side, width: side })

/**
 * Sizes by the side of the images. The paper's: "a CNN encoder and decoder" after Esser et al. 2021 of 86M parameters, 256 x
 * 256 x 3 to 32 x 32 x 8. It gives no widths: with those of Rombach et al. 2022 (128, 256, 512, 512) there are 83.7M, with 288
 * on the second level 85.7M (our choice). The smaller ones, for CPUs, are our choice: latents of 8 x 8, 16 x 16 and 16 x 16.
 */
export const autoencoderPresets = {
  '32px': { image: square(32), channels: [32, 64, 64], blocks: 1, latentChannels: 4, groups: 16 },
  '64px': { image: square(64), channels: [32, 64, 128], blocks: 1, latentChannels: 4, groups: 16 },
  '128px': { image: square(128), channels: [32, 64, 128, 128], blocks: 1, latentChannels: 8, groups: 16 },
  '256px': { image: square(256), channels: [128, 288, 512, 512], blocks: 2, latentChannels: 8, groups: 32 },
} satisfies Record<string, AutoencoderPreset>

/** A size by name. */
export type AutoencoderPresetName = keyof typeof autoencoderPresets
