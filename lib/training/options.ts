import { z } from 'zod'
import { learningRateSchema } from './learning_rate.js'
import { optimizerSchema } from './optimizer.js'
import { parameterGroupSchema } from './parameter_groups.js'

/** How any task is trained; the paper's choices are the defaults. */
export const trainingOptionsSchema = z
  .strictObject({
    /** The order of the data and all that training draws at random follow from it. */
    seed: z.int().min(0).default(0),
    /** Micro-batches that a batch is computed in, one after the other, to save memory; their gradients are summed. */
    gradientAccumulation: z.int().positive().default(1),
    /** Steps after which training ends; either they or minutes are set. The learning rate follows them. */
    steps: z.int().positive().optional(),
    /** Instead of steps: minutes of training after which it ends. */
    minutes: z.number().positive().optional(),
    /** AdamW, the paper's, or with type 'muon' Muon for the blocks' matrices. */
    optimizer: optimizerSchema.prefault({}),
    /** The schedule of the learning rate. */
    learningRate: learningRateSchema.prefault({}),
    /**
     * Parameters with a learning rate, a warm-up or a weight decay of their own: image parts that a language model grows, say, beside
     * its text's.
     */
    groups: z.array(parameterGroupSchema).default([]),
    /** Largest decay of the average of weights that is sampled from and saved; 0: the weights themselves. */
    ema: z.number().min(0).lt(1).default(0),
    /**
     * A step whose gradient is not finite changes nothing: it is left out and counted, or training stops there. After 100
     * in a row it stops in any case.
     */
    onNonFinite: z.enum(['skip', 'stop']).default('skip'),
    /**
     * How matrix products are computed on a GPU. 'fastest': as `transfusion tune` has measured, else large ones of bf16 as
     * cuBLASLt proposes, where it is there; checkpoints keep what was measured. 'own': by our own kernels, which have the same
     * bits whichever cuBLASLt there is.
     */
    products: z.enum(['fastest', 'own']).default('fastest'),
    /** A gradient norm of more than so many times the recent mean is reported as a spike. */
    spikeFactor: z.number().gt(1).default(5),
  })
  .refine(({ steps, minutes }) => (steps === undefined) !== (minutes === undefined), {
    error: 'expected either steps or minutes',
  })

/** How to train, defaults filled in. @useDeclaredType */
export type TrainingOptions = z.output<typeof trainingOptionsSchema>
/** As written by a user, defaults left out. @useDeclaredType */
export type TrainingSettings = z.input<typeof trainingOptionsSchema>
