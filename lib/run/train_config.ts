import { withRenamedKeys } from '../config/renamed.js'
import { unionBy } from '../config/union_by.js'
import {
  autoencoderTrainConfigSchema,
  type AutoencoderTrainConfig,
  type WrittenAutoencoderConfig,
} from './autoencoder/config.js'
import {
  generativeTrainConfigSchema,
  type GenerativeTrainConfig,
  type WrittenGenerativeConfig,
} from './generative/config.js'

/** The file that `transfusion train` reads: what may stand in it depends on the type of its model. */
export const trainConfigSchema = withRenamedKeys(
  unionBy(['model', 'type'], [generativeTrainConfigSchema, autoencoderTrainConfigSchema]),
  { imagePreparation: 'imagePreprocessing' },
)

/** The config of a run, defaults filled in. */
export type TrainConfig = GenerativeTrainConfig | AutoencoderTrainConfig
/** As it stands in the file; with weights to begin with, the model may be left out, or a part of it. */
export type WrittenTrainConfig = WrittenGenerativeConfig | WrittenAutoencoderConfig
