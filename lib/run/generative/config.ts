import { z } from 'zod'
import { filePath } from '../../config/paths.js'
import { objectiveSchema } from '../../diffusion/objective.js'
import { imageGenerationConfigSchema } from '../../generation/options.js'
import { generativeModelSchema, generativeTrainingSchema } from '../../models/registry.js'
import { bpeTokenizerSchema } from '../../tokenizer/bpe/options.js'
import { computeShape, dataShape, folderShape, sheetShape } from '../shared_config.js'

/** The config of a run that trains a model of text and images. */
export const generativeTrainConfigSchema = z.strictObject({
  ...dataShape,
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
  /** The sizes of a model; its tokenizer decides the vocabulary. With `--init` what is left out is the folder's. */
  model: generativeModelSchema,
  ...computeShape,
  /** What the network predicts and how its error counts. */
  objective: objectiveSchema.prefault({}),
  /** How long and how the model is trained; the paper's choices are the defaults. */
  training: generativeTrainingSchema,
  /** Images generated while training, as PNG sheets. */
  samples: z
    .strictObject({
      ...sheetShape,
      /** What to generate; by default the captions of the first samples. */
      prompts: z.array(z.string()).min(1).optional(),
      ...imageGenerationConfigSchema.shape,
    })
    .prefault({}),
  ...folderShape,
})

/** The config of a run that trains a model of text and images, defaults filled in. @useDeclaredType */
export type GenerativeTrainConfig = z.output<typeof generativeTrainConfigSchema>
/** As it stands in the file; with weights to begin with, the model may be left out, or a part of it. */
export type WrittenGenerativeConfig = Partial<Omit<z.input<typeof generativeTrainConfigSchema>, 'model'>> & {
  /** What it leaves out is that of the weights. */
  model?: Partial<z.input<typeof generativeTrainConfigSchema>['model']>
}
