import type { TransfusionOptions } from './config.js'

/** What a preset sets. */
export type Sizes = Pick<TransfusionOptions, 'layers' | 'channels' | 'heads' | 'feedForward'>

/** Sizes by name: the paper's five (section 4.1, table 2), and two for CPUs (our choice). */
export const presets = {
  '0.16B': { layers: 16, channels: 768, heads: 12 },
  '0.37B': { layers: 24, channels: 1024, heads: 16 },
  '0.76B': { layers: 24, channels: 1536, heads: 24 },
  '1.4B': { layers: 24, channels: 2048, heads: 16 },
  '7B': { layers: 32, channels: 4096, heads: 32 },
  tiny: { layers: 4, channels: 128, heads: 4, feedForward: 352 },
  small: { layers: 6, channels: 256, heads: 4, feedForward: 704 },
} as const satisfies Record<string, Sizes>

/** A size by name: five of the paper, and two for CPUs. */
export type PresetName = keyof typeof presets

/** The paper's images: latents of 32 x 32 x 8 from its VAE, in patches of 2 x 2 (256 a picture). */
export const paperImages = { channels: 8, patch: 2, height: 32, width: 32 } as const

/** The paper's vocabulary: Llama 2's 32,000 tokens, BOI and EOI. */
export const paperVocabulary = {
  vocabulary: 32_002,
  tokens: { bos: 1, end: 2, boi: 32_000, eoi: 32_001 },
} as const

/**
 * A U-Net for the paper's images: 0.27 to 0.28 B parameters in models of 0.16 to 7 B. The paper has about 0.27 B and gives
 * no sizes: four residual blocks a level and these widths are our choice.
 */
export const paperUNet = {
  channels: [512, 1024],
  blocks: 4,
  heads: 16,
} satisfies TransfusionOptions['image']['unet']
