import { z } from 'zod'
import { autoencoderSchema, autoencoderTraining } from '../../models/registry.js'
import { computeShape, dataShape, folderShape, sheetShape } from '../shared_config.js'

/** The config of a run that trains a model between images and latents; captions of its data are ignored. */
export const autoencoderTrainConfigSchema = z.strictObject({
  ...dataShape,
  /** The sizes of an autoencoder between images and latents. With `--init` what is left out is the folder's. */
  model: autoencoderSchema,
  ...computeShape,
  /** How long and how the autoencoder is trained. */
  training: autoencoderTraining,
  /** Sheets of originals above their reconstructions, as PNGs: of the first images that are trained on. */
  samples: z
    .strictObject({
      ...sheetShape,
      /** Images on a sheet. */
      count: z.int().positive().max(100).default(10),
    })
    .prefault({}),
  ...folderShape,
})

/** The config of a run that trains a model between images and latents, defaults filled in. @useDeclaredType */
export type AutoencoderTrainConfig = z.output<typeof autoencoderTrainConfigSchema>
/** As it stands in the file; with weights to begin with, sizes may be left out. */
export type WrittenAutoencoderConfig = Partial<
  Omit<z.input<typeof autoencoderTrainConfigSchema>, 'model'>
> & {
  /** Its type is not left out. */
  model: z.input<typeof autoencoderTrainConfigSchema>['model']
}
