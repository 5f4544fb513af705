/** What `transfusion compare` compares: the paper's ablations, small enough for two cores and minutes. */
import type { TransfusionOptions } from '../../models/transfusion/config.js'
import type { TransfusionTrainingSettings } from '../../models/transfusion/training/options.js'

type Image = TransfusionOptions['image']

/** A model and how it is trained, where it differs from the demo's. */
export interface Variant {
  /** Names its files too. */
  readonly name: string
  readonly image: Partial<Image>
  /** Black pixels around each image. */
  readonly padding?: number
  readonly training?: Partial<TransfusionTrainingSettings>
  /** Trained as long, by the clock, as the variant of this name took for its steps; otherwise for as many steps as all. */
  readonly asLongAs?: string
}

/** Variants, and what the paper found. */
export interface Comparison {
  readonly title: string
  readonly variants: readonly Variant[]
  /** Lines of Markdown. */
  readonly paper: readonly string[]
}

/** 49 patches of 4 x 4 pixels. */
const quarters = { patch: 4, height: 28, width: 28 }
/** 16 patches of 8 x 8 pixels, of images padded from 28 x 28. */
const eighths = { patch: 8, height: 32, width: 32 }
/** Blocks of 2 x 2 pixels become channels first: convolutions at full size cost most and, at one channel, see little. */
const unet4 = { channels: [32, 64], stem: 2, blocks: 1, heads: 4 }
const unet8 = { channels: [32, 64, 128], stem: 2, blocks: 1, heads: 4 }

const linear4: Variant = { name: 'linear 4x4', image: quarters }
const withUNet4: Variant = { name: 'U-Net 4x4', image: { ...quarters, unet: unet4 } }
const linear8: Variant = { name: 'linear 8x8', image: eighths, padding: 2 }
const withUNet8: Variant = { name: 'U-Net 8x8', image: { ...eighths, unet: unet8 }, padding: 2 }

const causal = (variant: Variant): Variant => ({
  ...variant,
  name: `${variant.name}, causal`,
  image: { ...variant.image, attention: 'causal' },
})

const unlimited = (variant: Variant): Variant => ({
  ...variant,
  name: `${variant.name}, no noise limit`,
  training: { timesteps: { noiseLimit: 1000, cleanFraction: 0 } },
})

const limited = (variant: Variant): Variant => ({
  ...variant,
  name: `${variant.name}, t <= 500`,
  training: { timesteps: { noiseLimit: 500, cleanFraction: 0 } },
})

/** By the command's argument. */
export const comparisons = {
  patches: {
    title: 'Linear patches against U-Net blocks',
    variants: [
      linear4,
      withUNet4,
      { ...linear4, name: 'linear 4x4, as long', asLongAs: withUNet4.name },
      linear8,
      withUNet8,
      { ...linear8, name: 'linear 8x8, as long', asLongAs: withUNet8.name },
    ],
    paper: [
      'The paper, table 6 (0.76 B, MS-COCO; CIDEr up, FID down is better), by patches per image:',
      '',
      '| patches | linear CIDEr | linear FID | U-Net CIDEr | U-Net FID |',
      '| --- | --- | --- | --- | --- |',
      '| 256 | 16.0 | 20.3 | 25.4 | 16.7 |',
      '| 64 | 14.3 | 25.6 | 29.9 | 16.0 |',
      '| 16 | 11.3 | 43.5 | 29.5 | 16.1 |',
      '',
      'Table 7 (linear -> U-Net, CIDEr; FID): 0.16 B 6.2 -> 15.3; 37.6 -> 18.8. 0.76 B 16.0 -> 25.4; 20.3 -> 16.7. ' +
        '7 B 27.2 -> 33.7; 18.6 -> 16.0.',
    ],
  },
  attention: {
    title: 'Causal against bidirectional attention within images',
    variants: [causal(linear4), linear4, causal(withUNet4), withUNet4],
    paper: [
      'The paper, table 5 (0.76 B, MS-COCO, causal -> bidirectional; CIDEr; FID): linear 12.7 -> 16.0; 61.3 -> 20.3. ' +
        'U-Net 23.3 -> 25.4; 16.8 -> 16.7.',
    ],
  },
  'noise-limit': {
    title: 'Noise limited to t <= 500 where the image comes before its caption, or not',
    variants: [unlimited(linear4), limited(linear4), unlimited(withUNet4), limited(withUNet4)],
    paper: [
      'The paper, table 8 (U-Net, MS-COCO, without limit -> t <= 500; CIDEr; FID): 0.76 B 25.4 -> 29.4; 16.7 -> 16.5. ' +
        '7 B 33.7 -> 35.2; 16.0 -> 15.7.',
    ],
  },
} as const satisfies Record<string, Comparison>

export type ComparisonName = keyof typeof comparisons
