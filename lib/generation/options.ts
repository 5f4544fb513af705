import { z } from 'zod'
import type { Sampler } from '../diffusion/sampler.js'
import { samplerSchema } from '../diffusion/samplers.js'

const ownSampler = z.custom<Sampler>(isSampler, {
  error: 'a Sampler: an object with a schedule and a function steps',
})

function isSampler(value: unknown): boolean {
  const { schedule, steps } = (value ?? {}) as Partial<Sampler>
  return typeof steps === 'function' && typeof schedule?.coefficients === 'function'
}

/** How images are sampled. */
export const imageSamplingSchema = z.strictObject({
  /** ddpm, ddim or dpmpp; for flow euler or heun; or one of your own, see `Sampler`. By default the first of these. */
  sampler: z.union([samplerSchema, ownSampler]).optional(),
  /** Denoising steps of the schedule's 1000; the paper has 250. Images that are codes have a step for each. */
  steps: z.int().min(1).max(1000).default(250),
  /** Scale of classifier-free guidance, of codes' logits too; 1 is none, the paper has 5 and, in its ablations, 3. */
  guidance: z.number().min(0).default(3),
  /** Where guidance applies, as shares of T: at other t the scale is 1 (Kynkäänniemi et al. 2024). */
  guidanceInterval: z
    .tuple([z.number().min(0).max(1), z.number().min(0).max(1)])
    .refine(([from, to]) => from <= to, { error: 'expected the smaller share first' })
    .readonly()
    .default([0, 1]),
  /**
   * Whether the estimate of the clean image is clipped at each step to the range of the model's values: -1..1 for pixels, of
   * latents what was measured as the model was made. Two numbers are another range.
   */
  clip: z
    .union([
      z.boolean(),
      z
        .tuple([z.number(), z.number()])
        .refine(([least, greatest]) => least < greatest, { error: 'expected the smaller number first' })
        .readonly(),
    ])
    .default(true),
  /** Temperature of images that are codes, as in Chameleon; 0 takes the most likely code. */
  imageTemperature: z.number().min(0).default(1),
  /** Of codes, only the k most likely; 0: all. */
  imageTopK: z.int().min(0).default(0),
  /** Of codes, only the most likely that together have this probability. */
  imageTopP: z.number().gt(0).max(1).default(1),
})

export const imageGenerationSchema = imageSamplingSchema.extend({
  /**
   * Most images that are generated for a prompt: another one where the model describes the last by another text than the
   * prompt. For prompts that the model would write, such as captions it has learned.
   */
  attempts: z.int().min(1).default(1),
})

/** How images are generated, in a config file, where a sampler is a name. */
export const imageGenerationConfigSchema = imageGenerationSchema.extend({
  /** ddpm, ddim or dpmpp; for flow euler or heun. By default the first of these. */
  sampler: samplerSchema.optional(),
})

const stopString = z.string().min(1, 'expected text: an empty string would stop at once')

export const generationOptionsSchema = z
  .strictObject({
    ...imageSamplingSchema.shape,
    /** The same seed and prompt give the same result; another seed gives another image, say. */
    seed: z
      .int()
      .min(0)
      .max(2 ** 43 - 1)
      .default(0),
    /** Temperature of text; 0, the paper's, takes the most likely token. */
    temperature: z.number().min(0).default(0),
    /** Only the k most likely tokens; 0: all. */
    topK: z.int().min(0).default(0),
    /** Only the most likely tokens that together have this probability. */
    topP: z.number().gt(0).max(1).default(1),
    /** Only tokens at least this many times as likely as the most likely one; 0: all. */
    minP: z.number().min(0).max(1).default(0),
    /** Text that ends the generation and is not given; it need not begin or end where a token does. */
    stop: z.union([stopString, z.array(stopString)]).default([]),
    /** Ids of tokens that end the generation and give no text. */
    stopTokens: z.array(z.int().min(0)).default([]),
    /** image: the prompt is followed by an image; text: the model decides. */
    startWith: z.enum(['text', 'image']).default('text'),
    /** Most text tokens. */
    maxTokens: z.int().min(0).default(256),
    /** Most images. */
    maxImages: z.int().min(0).default(1),
    /**
     * Yields a preview, the estimate of the clean image, after every so many denoising steps, or codes, those that are missing
     * like the last; 0: none.
     */
    previewEvery: z.int().min(0).default(0),
    /**
     * What previews are decoded by where the model reads latents. linear: colours that follow from each position alone, which
     * costs nothing. full: the autoencoder, as finished images.
     */
    previewDecoder: z.enum(['linear', 'full']).default('linear'),
  })
  .refine(({ startWith, maxImages }) => startWith !== 'image' || maxImages > 0, {
    error: "expected at least 1 with startWith 'image'",
    path: ['maxImages'],
  })
  .refine(({ maxTokens, maxImages }) => maxTokens > 0 || maxImages > 0, {
    error: 'expected at least 1 where maxImages is 0: there would be nothing to generate',
    path: ['maxTokens'],
  })

/** How images are sampled, as written by a user, defaults left out. @useDeclaredType */
export type ImageSamplingOptions = z.input<typeof imageSamplingSchema>
export type ImageSamplingSettings = z.output<typeof imageSamplingSchema>
/** How `generateImages` generates images, as written by a user, defaults left out. @useDeclaredType */
export type ImageGenerationOptions = z.input<typeof imageGenerationSchema>
export type GenerationSettings = z.output<typeof generationOptionsSchema>
/** How text and images are sampled, and where a generation ends, as written by a user, defaults left out. */
export interface GenerationOptions extends z.input<typeof generationOptionsSchema> {
  /**
   * Ends the generation within a denoising step or a token, and frees its memory; the iterator then throws the signal's
   * reason. Keep the signals that an `AbortSignal.any` follows in variables: Node 20 may collect them, and then it never
   * aborts.
   */
  signal?: AbortSignal
}
