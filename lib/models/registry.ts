/** The models by the names that configs (`model.type`) and model folders (`architecture`) give them. */
import { autoencoderName } from './autoencoder/config.js'
import { autoencoderModelSchema } from './autoencoder/model_options.js'
import { autoencoderRuns } from './autoencoder/run/run_model.js'
import { autoencoderTrainingSchema } from './autoencoder/training/options.js'
import { transfusionName } from './transfusion/config.js'
import { modelOptionsSchema } from './transfusion/model_options.js'
import { transfusionRuns } from './transfusion/run/run_model.js'
import { transfusionTrainingSchema } from './transfusion/training/options.js'

/**
 * What runs do with models of text and images, by type: one is added here, in one line, and in its own folder. They have a
 * tokenizer and an objective, and generate after prompts.
 */
export const generativeModels = { [transfusionName]: transfusionRuns }
/** The type of a model of text and images, by name. */
export type GenerativeModelName = keyof typeof generativeModels
/** Of a config that names none. */
export const defaultModelType: GenerativeModelName = transfusionName
/** `model` of a config of text and images: a union over the models' `type`, of which there is one so far. */
export const generativeModelSchema = modelOptionsSchema
/** `training` of such a config. */
export const generativeTrainingSchema = transfusionTrainingSchema

/** What runs do with models between images and latents, by type: they read no texts, and reconstruct images. */
export const autoencoders = { [autoencoderName]: autoencoderRuns }
/** The type of a model between images and latents, by name. */
export type AutoencoderModelName = keyof typeof autoencoders
/** `model` of a config of one. */
export const autoencoderSchema = autoencoderModelSchema
/** `training` of such a config. */
export const autoencoderTraining = autoencoderTrainingSchema
