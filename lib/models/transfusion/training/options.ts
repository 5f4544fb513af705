import { z } from 'zod'
import { withRenamedKeys } from '../../../config/renamed.js'
import { timestepsSchema } from '../../../diffusion/timesteps.js'
import { captionFirstShare } from '../../../sequence/order.js'
import { freezeSchema } from '../freeze.js'
import { loraSchema } from '../lora.js'
import { trainingOptionsSchema } from '../../../training/options.js'

/** How a Transfusion model is trained: what any model needs, and what this one has; the paper's choices are the defaults. */
const optionsSchema = trainingOptionsSchema
  .safeExtend({
    /**
     * The order of documents, their forms and the noise follow from it. `transfusion train` gives it to a new model's initial
     * weights, too; a Trainer takes the weights of its model as they are.
     */
    seed: trainingOptionsSchema.shape.seed,
    /** Documents in a step's batch; 64 where batchTokens is not set either. */
    batchSize: z.int().positive().optional(),
    /** Instead of batchSize: positions in a step's batch, tokens and patches alike. */
    batchTokens: z.int().positive().optional(),
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
    /**
     * Which parameters are not trained: 'text', all but those that positions of images alone use (LMFusion, arXiv 2412.15188), or
     * names of parameters, in which `*` stands for any characters: 'layers.*.attention.*'. They have no gradients, moments or
     * average, in memory either. A Trainer has a model that was made with the same `freeze`.
     */
    freeze: freezeSchema.optional(),
    /**
     * Low-rank updates that are trained beside frozen weights (LoRA, arXiv 2106.09685), `{}` for all linear layers of the blocks;
     * what else is trained follows `freeze`. Models are saved with them merged. A Trainer has a model that was made with the
     * same `lora`.
     */
    lora: loraSchema.optional(),
    /** Keeps only what goes into each block for the backward pass and computes the rest again: less memory, a third more time. */
    recompute: z.boolean().default(false),
  })
  .refine(({ batchSize, batchTokens }) => batchSize === undefined || batchTokens === undefined, {
    error: 'expected batchSize or batchTokens, not both',
    path: ['batchTokens'],
  })
  .refine(
    ({ batchSize = 64, batchTokens, gradientAccumulation }) =>
      gradientAccumulation <= Math.max(1, batchTokens ?? batchSize),
    {
      error: 'expected no more micro-batches than the batch has documents or positions',
      path: ['gradientAccumulation'],
    },
  )

/** How a Transfusion model is trained; the paper's choices are the defaults. */
export const transfusionTrainingSchema = withRenamedKeys(optionsSchema, {
  accumulate: 'gradientAccumulation',
})

/** How to train a Transfusion model, defaults filled in. @useDeclaredType */
export type TransfusionTrainingOptions = z.output<typeof optionsSchema>
/** As written by a user, defaults left out. @useDeclaredType */
export type TransfusionTrainingSettings = z.input<typeof optionsSchema>

const anyTasks = z.object(trainingOptionsSchema.shape)

/** The options that the trainer takes, without those of the task. */
export const trainerOptions = (options: TransfusionTrainingOptions): z.output<typeof anyTasks> =>
  anyTasks.parse(options)
