import { parseConfig } from '../config.js'
import { imageOptionsSchema } from '../generation/options.js'
import { trainingOptionsSchema } from '../training/options.js'
import { modelOptionsSchema } from './train_config.js'

/** The demo's own choices, where they differ from the paper's defaults, each with its reason. */
export const demoModel = parseConfig(
  modelOptionsSchema,
  {
    // 0.85 M parameters: two cores show them some thousand images a second.
    preset: 'tiny',
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
      // Far from the paper's 250,000 steps: a higher rate, a shorter warm-up.
      learningRate: { peak: 3e-3, final: 6e-5, warmupSteps: 100 },
      // A caption before its image is a guess among ten: such tokens teach little and drown the others.
      captionFirstTextWeight: 0.1,
      // Captions are asked for clean images: some are shown clean in training too.
      timesteps: { cleanFraction: 0.3 },
      // Averaged weights draw better than those of the last step.
      ema: 0.999,
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
