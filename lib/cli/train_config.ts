import { z } from 'zod'
import { presets, type PresetName } from '../models/transfusion/presets.js'
import { transfusionConfigSchema, type TransfusionOptions } from '../models/transfusion/config.js'
import { objectiveSchema } from '../diffusion/objective.js'
import { imageOptionsSchema } from '../generation/options.js'
import { trainingOptionsSchema } from '../training/options.js'

const dataSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('fashion-mnist'),
    /** Captions; {label} and {a label} stand for the class's name. */
    templates: z.array(z.string()).min(1).default(['{a label}']),
  }),
  z.strictObject({
    type: z.literal('idx'),
    images: z.string(),
    labels: z.string(),
    classNames: z.array(z.string()).min(1),
    templates: z.array(z.string()).min(1).default(['{a label}']),
  }),
  z.strictObject({
    type: z.literal('folder'),
    /** Holds name.png (or .jpg, .webp) beside name.txt, its caption. */
    path: z.string(),
  }),
])

const modelShape = transfusionConfigSchema.shape

/** A model but for what its tokenizer decides: the vocabulary and the special tokens. */
export const modelOptionsSchema = z.strictObject({
  /** Sizes to begin with; what is set beside it goes before it. */
  preset: z.enum(Object.keys(presets) as [PresetName, ...PresetName[]]).default('tiny'),
  layers: modelShape.layers.optional(),
  channels: modelShape.channels.optional(),
  heads: modelShape.heads.optional(),
  kvHeads: modelShape.kvHeads,
  feedForward: modelShape.feedForward,
  ropeTheta: modelShape.ropeTheta,
  normEps: modelShape.normEps,
  image: modelShape.image,
})

/** The file that `transfusion train` reads. */
export const trainConfigSchema = z.strictObject({
  data: dataSchema,
  tokenizer: z
    .discriminatedUnion('type', [
      /** A word-level tokenizer made from the data's captions. */
      z.strictObject({ type: z.literal('captions') }),
      z.strictObject({ type: z.literal('file'), path: z.string() }),
    ])
    .default({ type: 'captions' }),
  model: modelOptionsSchema,
  /** bf16: f32 weights, rounded to bf16 for computing. */
  precision: z.enum(['f32', 'bf16']).default('f32'),
  /** What the network predicts and how its error counts. */
  objective: objectiveSchema.prefault({}),
  training: trainingOptionsSchema,
  /** Images drawn while training, as PNG sheets. */
  samples: z
    .strictObject({
      /** Steps between two sheets. */
      every: z.int().positive().default(1000),
      /** What to draw; by default the captions of the first samples. */
      prompts: z.array(z.string()).min(1).optional(),
      ...imageOptionsSchema.shape,
    })
    .prefault({}),
  /** What a run goes on from after it was stopped. */
  checkpoints: z
    .strictObject({
      /** Steps between two; there is one more at the end. */
      every: z.int().positive().default(1000),
      /** How many to keep: the latest. */
      keep: z.int().positive().default(2),
    })
    .prefault({}),
})

export type ModelOptions = z.output<typeof modelOptionsSchema>
export type TrainConfig = z.output<typeof trainConfigSchema>

/** The model's sizes: its preset's, but for what is set beside it. */
export function modelOptions(model: ModelOptions): Omit<TransfusionOptions, 'vocabulary' | 'tokens'> {
  const { preset, ...own } = model
  return {
    ...presets[preset],
    ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)),
    image: model.image,
  }
}
