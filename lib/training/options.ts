import { z } from 'zod'
import { timestepsSchema } from '../diffusion/timesteps.js'
import { captionFirstShare } from '../sequence/order.js'
import { learningRateSchema } from './learning_rate.js'
import { optimizerSchema } from './optimizer.js'

/** How a model is trained; the paper's choices are the defaults. */
export const trainingOptionsSchema = z
  .strictObject({
    /** The order of samples, their forms and the noise follow from it; with `transfusion train` new weights, too. */
    seed: z.int().min(0).default(0),
    /** Documents in a step's batch; 64 where batchTokens is not set either. */
    batchSize: z.int().positive().optional(),
    /** Instead of batchSize: positions in a step's batch, tokens and patches alike. */
    batchTokens: z.int().positive().optional(),
    /** Parts that a batch is computed in, one after the other, for memory's sake; the sums are over all of them. */
    accumulate: z.int().positive().default(1),
    /** Steps after which training ends; either they or minutes are set. The learning rate follows them. */
    steps: z.int().positive().optional(),
    /** Instead of steps: minutes of training after which it ends. */
    minutes: z.number().positive().optional(),
    /** The noise that images are trained at. */
    timesteps: timestepsSchema.prefault({}),
    /** lambda in loss = LM + lambda * DDPM (section 3). */
    imageWeight: z.number().min(0).default(5),
    /** Share of a target token's probability that is spread over all tokens (Szegedy et al. 2016); not in the paper. */
    labelSmoothing: z.number().min(0).lt(1).default(0),
    /** Factor of log^2 of the softmax's sum, which is added to LM; PaLM has 1e-4, Chameleon 1e-5, the paper none. */
    zLoss: z.number().min(0).default(0),
    /** Share of captioned images whose caption precedes the image; in the others it follows (section 4.1). */
    captionFirst: z.number().min(0).max(1).default(captionFirstShare),
    /** Share of documents of which one image is trained without what precedes it, for guidance (our choice). */
    conditionDropout: z.number().min(0).max(1).default(0.1),
    /** Weight of a caption's tokens as targets where the caption precedes the image. */
    captionFirstTextWeight: z.number().min(0).default(1),
    /** Keeps only what goes into each block for the backward pass and computes the rest again: less memory, a third more time. */
    recompute: z.boolean().default(false),
    /** AdamW, the paper's, or with type 'muon' Muon for the blocks' matrices. */
    optimizer: optimizerSchema.prefault({}),
    /** The schedule of the learning rate. */
    learningRate: learningRateSchema.prefault({}),
    /** Largest decay of the average of weights that is sampled from and saved; 0: the weights themselves. */
    ema: z.number().min(0).lt(1).default(0),
    /**
     * A step whose gradient is not finite changes nothing: it is left out and counted, or training stops there. After 100
     * in a row it stops in any case.
     */
    onNonFinite: z.enum(['skip', 'stop']).default('skip'),
    /** A gradient norm of more than so many times the recent mean is reported as a spike. */
    spikeFactor: z.number().gt(1).default(5),
  })
  .refine(({ steps, minutes }) => (steps === undefined) !== (minutes === undefined), {
    error: 'expected either steps or minutes',
  })
  .refine(({ batchSize, batchTokens }) => batchSize === undefined || batchTokens === undefined, {
    error: 'expected batchSize or batchTokens, not both',
    path: ['batchTokens'],
  })
  .refine(
    ({ batchSize = 64, batchTokens, accumulate }) => accumulate <= Math.max(1, batchTokens ?? batchSize),
    {
      error: 'expected no more parts than the batch has documents or positions',
      path: ['accumulate'],
    },
  )

/** How to train, defaults filled in. @useDeclaredType */
export type TrainingOptions = z.output<typeof trainingOptionsSchema>
/** As written by a user, defaults left out. @useDeclaredType */
export type TrainingSettings = z.input<typeof trainingOptionsSchema>
