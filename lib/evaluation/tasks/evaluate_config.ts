import { z } from 'zod'
import { filePath } from '../../config/paths.js'
import { sourceSchema } from '../../datasets/data_config.js'
import { imageGenerationConfigSchema } from '../../generation/options.js'
import { weightKinds } from '../../nn/weight_kinds.js'
import { deviceSchema } from '../../tensor/device_config.js'
import { classDataSchema } from './class_data_config.js'

/** How images are generated for a measurement. */
const generatedImagesSchema = imageGenerationConfigSchema
  .extend({
    steps: imageGenerationConfigSchema.shape.steps.default(50),
    guidance: imageGenerationConfigSchema.shape.guidance.default(1.5),
  })
  .prefault({})

/** Generates, describes and ranks images of known classes. */
export const classTaskSchema = z.strictObject({
  type: z.literal('classes'),
  /** The images in their classes, as `data` of `transfusion samplers`. */
  data: classDataSchema.prefault({ type: 'fashion-mnist' }),
  /** A class's caption: {label} and {a label} stand for its name. */
  caption: z.string().default('{a label}'),
  /** Images to generate of each class; 0: none. */
  perClass: z.int().min(0).default(100),
  /** How they are generated; the defaults are the demo's, and for flow Euler's sampler. */
  images: generatedImagesSchema,
  /** Test images, from the first, to describe; 0: none. */
  described: z.int().min(0).default(10_000),
  /** Test images, from the first, to rank all captions for; 0: none. */
  ranked: z.int().min(0).default(1000),
})

/** Perplexity on texts. */
export const textTaskSchema = z.strictObject({
  type: z.literal('text'),
  /** The texts: one source, as `data` of `transfusion train`. */
  data: sourceSchema,
  /** A document that cannot be read ends the evaluation, or is left out and counted. */
  onUnreadable: z.enum(['stop', 'skip']).default('stop'),
  /** Most tokens that the model sees at a time. */
  window: z.int().min(1).default(1024),
  /** Tokens from one window to the next; by default half a window. */
  stride: z.int().min(1).optional(),
})

/** Describes images, and compares the greedy captions with those that people wrote. */
export const captionTaskSchema = z.strictObject({
  type: z.literal('captions'),
  /** Captions as COCO's annotations have them, or Karpathy's dataset_coco.json. */
  path: filePath,
  /** The folder that the images' names are relative to; by default the one that the captions are in. */
  images: filePath.optional(),
  /** Of Karpathy's splits; by default test. */
  split: z.string().min(1).optional(),
  /** Images, from the first; by default all. */
  count: z.int().min(1).optional(),
  /** A longer caption is cut. */
  maxTokens: z.int().min(1).default(64),
})

/** Ranks the options of questions. */
export const questionTaskSchema = z.strictObject({
  type: z.literal('questions'),
  /** JSON Lines: {"context": "Two and two are", "options": [" four", " five"], "answer": 0}, or those of a public test set. */
  path: filePath,
  /** Whether an option ends the document. */
  end: z.boolean().default(false),
  /** Whether options are ranked by what the context adds to their likelihoods, too: twice the work. */
  unconditional: z.boolean().default(false),
})

/** Draws prompts of coloured shapes in GenEval's six kinds and answers questions on them; the judge reads the pixels. */
export const shapesTaskSchema = z.strictObject({
  type: z.literal('shapes'),
  /** Prompts of each kind, with a picture each; 0: none. */
  perKind: z.int().min(0).default(50),
  /** Questions of each kind: counts, colours, shapes; 0: none. */
  questions: z.int().min(0).default(50),
  /** What is asked for: combinations of shapes, colours, counts and relations that training never shows, or such as it does. */
  combinations: z.enum(['held-out', 'trained']).default('held-out'),
  /** How they are generated. */
  images: generatedImagesSchema,
})

/** Edits pictures that training has not seen, by an instruction. */
export const editTaskSchema = z.strictObject({
  type: z.literal('edits'),
  /** Scenes of coloured shapes, whose judge reads the pixels, or held-out emoji, compared with the true edit. */
  data: z.enum(['shapes', 'emoji']),
  /** Edits. */
  count: z.int().min(2).default(200),
  /** Of emoji: the root mean square error, as a share of the range of values, up to which an answer is right. */
  tolerance: z.number().gt(0).max(0.2).default(0.1),
  /** How they are generated. */
  images: generatedImagesSchema,
})

/** The file that `transfusion eval` reads. */
export const evaluateConfigSchema = z.strictObject({
  /** Everything random follows from it: the generated images and the classifier. */
  seed: z.int().min(0).default(0),
  /** What is computed in; by default f32, or bf16 where the weights are kept so. bf16: f32 weights, rounded to bf16 for computing. */
  precision: z.enum(['f32', 'bf16']).optional(),
  /** How weights are kept; several are measured in turn, with the same seed, and shown beside each other. By default as the model's are. */
  weights: z.array(z.enum(weightKinds)).min(1).optional(),
  /** Where the model runs: cpu, cuda or cuda:1, as far as the build has it. */
  device: deviceSchema,
  /** What is measured. */
  tasks: z
    .array(
      z.discriminatedUnion('type', [
        classTaskSchema,
        captionTaskSchema,
        textTaskSchema,
        questionTaskSchema,
        shapesTaskSchema,
        editTaskSchema,
      ]),
    )
    .min(1),
})

/** How to evaluate, defaults filled in. @useDeclaredType */
export type EvaluateConfig = z.output<typeof evaluateConfigSchema>
/** As written by a user, defaults left out. @useDeclaredType */
export type EvaluateSettings = z.input<typeof evaluateConfigSchema>
export type EvaluationTask = EvaluateConfig['tasks'][number]
export type ClassTask = z.output<typeof classTaskSchema>
export type CaptionTask = z.output<typeof captionTaskSchema>
export type TextTask = z.output<typeof textTaskSchema>
export type QuestionTask = z.output<typeof questionTaskSchema>
export type ShapesTask = z.output<typeof shapesTaskSchema>
export type EditTask = z.output<typeof editTaskSchema>
