/** The models by the names that configs (`model.type`) and model folders (`architecture`) give them. */
import { transfusionName } from './transfusion/config.js'
import { modelOptionsSchema } from './transfusion/model_options.js'
import { transfusionRuns } from './transfusion/run/run_model.js'
import { transfusionTrainingSchema } from './transfusion/training/options.js'

/** What runs do with the models of each type: a model is added here, in one line, and in its own folder. */
export const runModels = { [transfusionName]: transfusionRuns }

/** The type of a model, by name. */
export type ModelType = keyof typeof runModels

/** Of a config that names none. */
export const defaultModelType: ModelType = transfusionName

/** `model` of a training config: a union over the models' `type`, of which there is one so far. */
export const modelSchema = modelOptionsSchema

/** `training` of a training config: how a model of the type is trained. */
export const trainingSchema = transfusionTrainingSchema
