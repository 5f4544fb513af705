import { z } from 'zod'
import { filePath } from '../../../config/paths.js'
import { optimizerSchema } from '../../../training/optimizer.js'
import { trainingOptionsSchema } from '../../../training/options.js'

/** A discriminator of patches, which is trained beside the autoencoder (Esser et al. 2021). */
const discriminatorSchema = z.strictObject({
  /** Factor of its term; the paper has 0.5. */
  weight: z.number().positive().default(0.5),
  /**
   * Whether the term is multiplied by the gradient of the reconstruction's loss over its own, both at the decoder's last layer,
   * as in taming-transformers.
   */
  adaptive: z.boolean().default(true),
  /** Steps before it begins; the paper has 50,000. */
  start: z.int().min(0).default(50_000),
  /** Channels after its first convolution; each further one that halves the image doubles them, up to 8 times as many. */
  channels: z.int().positive().default(64),
  /** Convolutions that halve the image; a patch of 3 layers is 70 x 70 pixels. */
  layers: z.int().positive().max(8).default(3),
})

/** What an autoencoder's loss is added up of, each an error of a whole image. */
const lossSchema = z.strictObject({
  /** The mean over an image's values of |x - y|, the paper's, or of (x - y)^2. */
  pixels: z.enum(['absolute', 'squared']).default('absolute'),
  /**
   * Of a KL autoencoder: weight of the divergence of its latents from a standard normal distribution, summed over a latent and
   * divided by the values of the image, which weighs it against the pixels as latent diffusion does (Rombach et al. 2022).
   */
  kl: z.number().min(0).default(1e-6),
  /** Of a VQ-VAE: what its codes learn from. */
  codebook: z
    .strictObject({
      /** Factor of both terms: mean squared distances of vectors and their codes, over the values of a latent. */
      weight: z.number().min(0).default(1),
      /** beta, the factor of the term that moves the encoder towards the codes beside the one that moves these. */
      commitment: z.number().min(0).default(0.25),
      /** Steps after which a code that nothing was rounded to becomes a vector of the batch (our choice). */
      restartAfter: z.int().positive().default(100),
    })
    .prefault({}),
  /** LPIPS, how different two images look by the features of a network (Zhang et al. 2018); by default there is none. */
  perceptual: z
    .strictObject({
      /** Safetensors of VGG16 and the linear heads, which scripts/lpips_weights.py makes. */
      weights: filePath,
      /** Factor of the distance, the paper's 1. */
      weight: z.number().min(0).default(1),
    })
    .optional(),
  /**
   * The paper's identity term, how much reconstructions show something else: 1 - the cosine of the features that a network has of
   * the two images; by default there is none.
   */
  identity: z
    .strictObject({
      /** Safetensors of a ResNet (the paper's is MoCo v2's ResNet-50), which scripts/resnet_weights.py makes. */
      weights: filePath,
      /** Factor of the term, the paper's 0.2. */
      weight: z.number().min(0).default(0.2),
    })
    .optional(),
  /** By default there is none: reconstructions stay smooth where the latents say too little. {} sets the paper's. */
  discriminator: discriminatorSchema.optional(),
})

/** Of taming-transformers: a mean of gradients that is short, as the discriminator's aim moves, and no decay. */
export const adversarialAdamW = { beta1: 0.5, beta2: 0.9, weightDecay: 0 } as const

const optionsSchema = trainingOptionsSchema
  .safeExtend({
    /** Images in a step's batch. */
    batchSize: z.int().positive().default(16),
    /** AdamW, by default with the betas of taming-transformers, 0.5 and 0.9, and no weight decay; or Muon. */
    optimizer: optimizerSchema.prefault(adversarialAdamW),
    /** What the loss is added up of. */
    loss: lossSchema.prefault({}),
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

/** The terms of an autoencoder's loss. */
export type AutoencoderLossOptions = AutoencoderTrainingOptions['loss']

const anyTasks = z.object(trainingOptionsSchema.shape)

/** The options that the trainer takes, without those of the task. */
export const trainerOptions = (options: AutoencoderTrainingOptions): z.output<typeof anyTasks> =>
  anyTasks.parse(options)
