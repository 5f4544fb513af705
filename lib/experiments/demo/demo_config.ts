import { parseConfig } from '../../config/parse.js'
import { imageGenerationConfigSchema } from '../../generation/options.js'
import type { TransfusionTrainingSettings } from '../../models/transfusion/training/options.js'
import type { DemoSettings } from './demo_task.js'

/** From so many minutes on a larger model generates better images than more steps of a small one. */
export const longMinutes = 10

/** Errors at high noise, where the content of an image is decided, count too little with eps. */
export const demoObjective = { prediction: 'v', weighting: 'v' } as const

/** The demo's own choices, where they differ from the paper's defaults, each with its reason; the length of training apart. */
export const demoTraining = ({ minutes, seed }: DemoSettings) =>
  ({
    seed,
    batchSize: 64,
    // The loss falls further than with AdamW in the same time (bench/optimizers.mjs), and three iterations do as well as
    // five, of which a step takes a fifth longer.
    optimizer: { type: 'muon', iterations: 3 },
    // Far from the paper's 250,000 steps: a higher rate, a shorter warm-up.
    learningRate: { peak: 1e-2, final: 2e-4, warmupSteps: 100 },
    // A caption that precedes its image is a guess among many: the gradient of such tokens is mostly noise.
    captionFirstTextWeight: 0.1,
    // Captions are written for clean images: some are clean in training too.
    timesteps: { cleanFraction: 0.3 },
    // Averaged weights generate better images than those of the last step.
    ema: minutes < longMinutes ? 0.999 : 0.9995,
  }) satisfies TransfusionTrainingSettings

/**
 * Guidance trades diversity for accuracy, most of all near pure noise, where it decides between shapes: it applies where
 * t is between a tenth and seven tenths of T alone, with a smaller scale in the long run, whose model needs it less. An
 * image for which the model itself writes another caption is generated again. The noise that DDPM adds at each step lets
 * it correct errors of earlier steps.
 */
export const demoImages = (minutes: number) =>
  parseConfig(
    imageGenerationConfigSchema,
    {
      sampler: 'ddpm',
      // The paper's 250 steps bring the Fréchet distance from 13.5 to 11.2 after twenty minutes, and take half a minute more.
      steps: minutes < longMinutes ? 100 : 250,
      guidance: minutes < longMinutes ? 2 : 1.5,
      guidanceInterval: [0.1, 0.7],
      attempts: 4,
    },
    'demo images',
  )
