import { z } from 'zod'
import { optimizerSchema } from '../../../training/optimizer.js'
import { trainingOptionsSchema } from '../../../training/options.js'

const optionsSchema = trainingOptionsSchema
  .safeExtend({
    /** Images in a step's batch. */
    batchSize: z.int().positive().default(16),
    /** AdamW, by default with the betas of taming-transformers, 0.5 and 0.9, and no weight decay; or Muon. */
    optimizer: optimizerSchema.prefault({ beta1: 0.5, beta2: 0.9, weightDecay: 0 }),
  })
  .refine(({ batchSize, gradientAccumulation }) => gradientAccumulation <= batchSize, {
    error: 'expected no more micro-batches than the batch has images',
    path: ['gradientAccumulation'],
  })

/** How an autoencoder is trained. */
export const autoencoderTrainingSchema = optionsSchema

/** How to train an autoencoder, defaults filled in. @useDeclaredType */
export type AutoencoderTrainingOptions = z.output<typeof optionsSchema>
/** As written by a user, defaults left out. @useDeclaredType */
export type AutoencoderTrainingSettings = z.input<typeof optionsSchema>

const anyTasks = z.object(trainingOptionsSchema.shape)

/** The options that the trainer takes, without those of the task. */
export const trainerOptions = (options: AutoencoderTrainingOptions): z.output<typeof anyTasks> =>
  anyTasks.parse(options)
