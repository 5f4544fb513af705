/** What the config of a run has whatever model it trains. */
import { z } from 'zod'
import { withRenamedKeys } from '../config/renamed.js'
import { dataSchema, loadingSchema } from '../datasets/data_config.js'
import { imagePreprocessingOptionsSchema } from '../image/image_preprocessing.js'
import { deviceSchema } from '../tensor/device_config.js'

/** What is trained on. */
export const dataShape = {
  /** What to train on: one source of documents, or several with their weights. Paths are relative to the config file. */
  data: dataSchema,
  /** How data is read. */
  loading: loadingSchema.prefault({}),
}

/** How images are read, and where a model computes. */
export const computeShape = {
  /** How image files become what the model reads, and is saved with it; by default to the size that it generates. */
  imagePreprocessing: imagePreprocessingOptionsSchema.default({}),
  /** bf16: f32 weights, rounded to bf16 for computing. */
  precision: z.enum(['f32', 'bf16']).default('f32'),
  /** Where the model is trained: cpu, cuda or cuda:1, as far as the build has it. */
  device: deviceSchema,
}

/** Of sheets of samples. */
export const sheetShape = {
  /** Steps between two sheets. */
  every: z.int().positive().default(1000),
}

/** What a run writes into its folder. */
export const folderShape = {
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
}
