import { z } from 'zod'
import { filePath } from '../config/paths.js'
import { bpeTokenizerSchema } from '../tokenizer/bpe/options.js'
import { dataSchema, loadingSchema } from '../datasets/data_config.js'
import { imagePreparationOptionsSchema } from '../image/image_preparation.js'
import { presets, type PresetName, type Sizes } from '../models/transfusion/presets.js'
import { transfusionConfigSchema, type TransfusionOptions } from '../models/transfusion/config.js'
import { objectiveSchema } from '../diffusion/objective.js'
import { imageGenerationConfigSchema } from '../generation/options.js'
import { transfusionTrainingSchema } from '../models/transfusion/training/options.js'
import { deviceSchema } from '../tensor/device_config.js'
import { given } from '../config/given.js'
import { withRenamedKeys } from '../config/renamed.js'

const modelShape = transfusionConfigSchema.shape

/** The sizes of a model; its tokenizer decides the vocabulary. With `--init` what is left out is the folder's. */
export const modelOptionsSchema = z.strictObject({
  /** Sizes to begin with, tiny by default; what is set beside it goes before it. See the list of presets below. */
  preset: z.enum(Object.keys(presets) as [PresetName, ...PresetName[]]).optional(),
  /** Transformer blocks; by default the preset's. */
  layers: modelShape.layers.optional(),
  /** C, the model's width; by default the preset's. */
  channels: modelShape.channels.optional(),
  /** H, query heads, of channels / heads elements each, an even number; by default the preset's. */
  heads: modelShape.heads.optional(),
  kvHeads: modelShape.kvHeads,
  /** F, the width inside SwiGLU; by default the preset's, or where channels are set 8/3 of these, rounded up to 256s. */
  feedForward: modelShape.feedForward,
  ropeTheta: modelShape.ropeTheta,
  normEps: modelShape.normEps,
  image: modelShape.image,
})

/** The file that `transfusion train` reads. */
export const trainConfigSchema = z.strictObject({
  data: dataSchema,
  /** How data is read. */
  loading: loadingSchema.prefault({}),
  /** How texts become tokens; it is saved with the model. */
  tokenizer: z
    .discriminatedUnion('type', [
      /** A word-level tokenizer made from the data's captions. */
      z.strictObject({ type: z.literal('captions') }),
      /** That of a file. */
      z.strictObject({
        type: z.literal('file'),
        /** A tokenizer.json of Hugging Face's format. */
        path: filePath,
      }),
      /** Byte-level BPE trained on the data's texts, each of which counts once whatever its source's weight. */
      bpeTokenizerSchema,
    ])
    .default({ type: 'captions' }),
  model: modelOptionsSchema,
  /** How image files become what the model reads, and is saved with it; by default to the size that it draws. */
  imagePreparation: imagePreparationOptionsSchema.default({}),
  /** bf16: f32 weights, rounded to bf16 for computing. */
  precision: z.enum(['f32', 'bf16']).default('f32'),
  /** Where the model is trained: cpu, cuda or cuda:1, as far as the build has it. */
  device: deviceSchema,
  /** What the network predicts and how its error counts. */
  objective: objectiveSchema.prefault({}),
  /** How long and how the model is trained; the paper's choices are the defaults. */
  training: transfusionTrainingSchema,
  /** Images drawn while training, as PNG sheets. */
  samples: z
    .strictObject({
      /** Steps between two sheets. */
      every: z.int().positive().default(1000),
      /** What to draw; by default the captions of the first samples. */
      prompts: z.array(z.string()).min(1).optional(),
      ...imageGenerationConfigSchema.shape,
    })
    .prefault({}),
  /** What is kept of the run's figures: metrics.jsonl, and event files for TensorBoard. */
  log: z
    .strictObject({
      /** Steps that one record sums up. */
      every: z.int().positive().default(10),
      /** Whether there are event files for TensorBoard beside metrics.jsonl. */
      tensorboard: z.boolean().default(true),
    })
    .prefault({}),
  /** What a run goes on from after it was stopped. */
  checkpoints: withRenamedKeys(
    z.strictObject({
      /** Steps between two; there is one more at the end. */
      every: z.int().positive().default(1000),
      /** How many to keep: the latest. On a full disk it may be one. */
      keep: z.int().positive().default(2),
      /** Where one cannot be written, for want of space say: goes on with a warning, or ends training. */
      onSaveError: z.enum(['skip', 'stop']).default('skip'),
    }),
    { onUnwritten: 'onSaveError' },
  ).prefault({}),
})

export type ModelOptions = z.output<typeof modelOptionsSchema>
export type TrainConfig = z.output<typeof trainConfigSchema>
/** As it stands in the file; with weights to begin with, the model may be left out. */
export type WrittenTrainConfig = Partial<z.input<typeof trainConfigSchema>>

/** The sizes that a config names: its preset's, but for what is set beside it. */
export function namedSizes({ preset, image, ...own }: Partial<z.input<typeof modelOptionsSchema>>) {
  return { ...(preset && sizesBeside(preset, own.channels)), ...given(own), image }
}

/** The sizes of a new model: those of tiny where no preset is named. */
export const modelOptions = ({
  preset = 'tiny',
  ...own
}: ModelOptions): Omit<TransfusionOptions, 'vocabulary' | 'tokens'> => ({
  ...sizesBeside(preset, own.channels),
  ...namedSizes(own),
  image: own.image,
})

/** A preset's sizes where the channels are set to `channels`: the width of its feed-forward layers goes with its own. */
function sizesBeside(preset: PresetName, channels: number | undefined): Sizes {
  const { feedForward, ...sizes }: Sizes = presets[preset]
  return channels === undefined && feedForward !== undefined ? { ...sizes, feedForward } : sizes
}
