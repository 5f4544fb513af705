import { parseConfig } from '../config.js'
import { imageOptionsSchema } from '../generation/options.js'
import { trainingOptionsSchema } from '../training/options.js'
import { modelOptionsSchema } from './train_config.js'

/** From so many minutes on a larger model draws better than more steps of a small one. */
const longMinutes = 10

/**
 * The demo's own choices, where they differ from the paper's defaults, each with its reason: 0.85 M parameters, of which
 * two cores take some 40 steps a second, or in long runs 2.3 M at half the rate.
 */
export const demoModel = (minutes: number) =>
  parseConfig(
    modelOptionsSchema,
    {
      ...(minutes < longMinutes
        ? { preset: 'tiny' }
        : { layers: 6, channels: 192, heads: 6, feedForward: 512 }),
      image: {
        channels: 1,
        // 16 patches of 7 x 7 pixels: a short sequence, so that minutes suffice.
        patch: 7,
        height: 28,
        width: 28,
        // A 49-value patch has little room for a timestep; after the layer it has all channels.
        timestep: 'after',
        // A patch's place matters more than its distance to others: images are centred.
        positions: 'sincos',
      },
    },
    'demo model',
  )

/** Errors at high noise, where it is decided what is drawn, count too little with eps. */
export const demoObjective = { prediction: 'v', weighting: 'v' } as const

export const demoTraining = (minutes: number, seed: number) =>
  parseConfig(
    trainingOptionsSchema,
    {
      seed,
      minutes,
      batchSize: 64,
      // A step costs a third more than with AdamW, and the loss falls further in the same time (bench/optimizers.mjs).
      optimizer: { type: 'muon' },
      // Far from the paper's 250,000 steps: a higher rate, a shorter warm-up.
      learningRate: { peak: 1e-2, final: 2e-4, warmupSteps: 100 },
      // A caption before its image is a guess among ten: such tokens teach little and drown the others.
      captionFirstTextWeight: 0.1,
      // Captions are asked for clean images: some are shown clean in training too.
      timesteps: { cleanFraction: 0.3 },
      // Averaged weights draw better than those of the last step.
      ema: minutes < longMinutes ? 0.999 : 0.9995,
    },
    'demo training',
  )

/**
 * Guidance buys accuracy with diversity, and most dearly near pure noise, where it decides between shapes: it counts
 * from a fifth to four fifths of T alone. DDPM's fresh noise mends what earlier steps got wrong; DDIM's does not.
 */
export const demoImages = parseConfig(
  imageOptionsSchema,
  { sampler: 'ddpm', steps: 100, guidance: 2.5, guidanceInterval: [0.2, 0.8] },
  'demo images',
)

/** One short caption per class: the class's name with its article. */
export const demoTemplates = ['{a label}']

/** 1,000 drawn images and the 10,000 test images. */
export const demoEvaluation = { perClass: 100, images: demoImages, described: 10_000, ranked: 0 }
