import { z } from 'zod'
import { filePath } from '../config/paths.js'
import { bpeTokenizerSchema } from '../tokenizer/bpe/options.js'
import { dataSchema, loadingSchema } from '../datasets/data_config.js'
import { imagePreprocessingOptionsSchema } from '../image/image_preprocessing.js'
import { modelSchema, trainingSchema } from '../models/registry.js'
import { objectiveSchema } from '../diffusion/objective.js'
import { imageGenerationConfigSchema } from '../generation/options.js'
import { deviceSchema } from '../tensor/device_config.js'
import { withRenamedKeys } from '../config/renamed.js'

const configSchema = z.strictObject({
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
  model: modelSchema,
  /** How image files become what the model reads, and is saved with it; by default to the size that it generates. */
  imagePreprocessing: imagePreprocessingOptionsSchema.default({}),
  /** bf16: f32 weights, rounded to bf16 for computing. */
  precision: z.enum(['f32', 'bf16']).default('f32'),
  /** Where the model is trained: cpu, cuda or cuda:1, as far as the build has it. */
  device: deviceSchema,
  /** What the network predicts and how its error counts. */
  objective: objectiveSchema.prefault({}),
  /** How long and how the model is trained; the paper's choices are the defaults. */
  training: trainingSchema,
  /** Images generated while training, as PNG sheets. */
  samples: z
    .strictObject({
      /** Steps between two sheets. */
      every: z.int().positive().default(1000),
      /** What to generate; by default the captions of the first samples. */
      prompts: z.array(z.string()).min(1).optional(),
      ...imageGenerationConfigSchema.shape,
    })
    .prefault({}),
  /** What is kept of the run's metrics: metrics.jsonl, and event files for TensorBoard. */
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

/** The file that `transfusion train` reads. */
export const trainConfigSchema = withRenamedKeys(configSchema, { imagePreparation: 'imagePreprocessing' })

/** The config of a run, defaults filled in. */
export type TrainConfig = z.output<typeof trainConfigSchema>
/** As it stands in the file; with weights to begin with, the model may be left out, or a part of it. */
export type WrittenTrainConfig = Partial<Omit<z.input<typeof trainConfigSchema>, 'model'>> & {
  model?: Partial<z.input<typeof trainConfigSchema>['model']>
}
