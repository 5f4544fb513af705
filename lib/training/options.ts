import { z } from 'zod'
import { timestepsSchema } from '../diffusion/timesteps.js'
import { captionFirstShare } from '../sequence/order.js'
import { adamwSchema } from './adamw.js'
import { learningRateSchema } from './learning_rate.js'

/** How a model is trained; the paper's choices are the defaults. */
export const trainingOptionsSchema = z
  .strictObject({
    /** Everything random follows from it: initial weights, order of samples, noise. */
    seed: z.int().min(0).default(0),
    /** Documents per step. */
    batchSize: z.int().positive().default(64),
    /** When training ends, by steps or by minutes; one of the two. The learning rate follows it. */
    steps: z.int().positive().optional(),
    minutes: z.number().positive().optional(),
    timesteps: timestepsSchema.prefault({}),
    /** lambda in loss = LM + lambda * DDPM (section 3). */
    imageWeight: z.number().min(0).default(5),
    /** Share of pairs whose caption precedes the image; the others follow it (section 4.1). */
    captionFirst: z.number().min(0).max(1).default(captionFirstShare),
    /** Share of caption-first pairs whose image is trained without its caption, for guidance (our choice). */
    conditionDropout: z.number().min(0).max(1).default(0.1),
    /** Weight of a caption's tokens as targets where the caption precedes the image. */
    captionFirstTextWeight: z.number().min(0).default(1),
    optimizer: adamwSchema.prefault({}),
    learningRate: learningRateSchema.prefault({}),
    /** Largest decay of the average of weights that is sampled from and saved; 0: the weights themselves. */
    ema: z.number().min(0).lt(1).default(0),
  })
  .refine(({ steps, minutes }) => (steps === undefined) !== (minutes === undefined), {
    error: 'expected either steps or minutes',
  })

export type TrainingOptions = z.output<typeof trainingOptionsSchema>
/** As written by a user, defaults left out. */
export type TrainingSettings = z.input<typeof trainingOptionsSchema>
