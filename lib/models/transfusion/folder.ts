import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config.js'
import { currentFile, replaceFiles } from '../../data/atomic_folder.js'
import { readJson, writeJson } from '../../data/json_file.js'
import {
  type ImagePreparation,
  type ImagePreparationOptions,
  imagePreparationSchema,
} from '../../data/image_preparation.js'
import { JsonTokenizer } from '../../data/tokenizer.js'
import { objectiveSchema } from '../../diffusion/objective.js'
import type { ComputeType } from '../../nn/arena.js'
import { transfusionConfigSchema } from './config.js'
import { modelFiles as files, modelFolderOf } from './locate.js'
import { TransfusionNetwork } from './model.js'
import { imagePreparationOf } from './pixel_parts.js'
import { readWeights, type SavedPrecision, writeWeights } from './weights.js'

const architecture = 'transfusion'

/** `config.json` of a model folder. */
const folderConfigSchema = z.strictObject({
  architecture: z.literal(architecture),
  model: transfusionConfigSchema,
  objective: objectiveSchema,
  /** Of image files; by default to the size that the model draws. */
  preprocessing: imagePreparationSchema.optional(),
})

/** A model and what it takes to use it. */
export interface ModelParts {
  /** The weights. */
  network: TransfusionNetwork
  /** Text to token ids and back. */
  tokenizer: JsonTokenizer
  /** What the network gives for images. */
  objective: z.output<typeof objectiveSchema>
  /** How image files become what the model reads; by default to the size that it draws. */
  imagePreparation?: ImagePreparationOptions
}

/** A model as its folder describes it. */
export interface LoadedModel extends ModelParts {
  /** How image files become what the model reads. */
  imagePreparation: ImagePreparation
}

/**
 * Writes `config.json`, `tokenizer.json` and `model.safetensors` into a folder, in place of a model that it has: all or,
 * whatever happens, none. An interrupted save is made good by the next one.
 */
export async function saveModel(
  folder: string,
  { network, tokenizer, objective, imagePreparation }: ModelParts,
  precision: SavedPrecision = 'f32',
): Promise<void> {
  const preprocessing = imagePreparationOf(network.config, imagePreparation)
  const config = { architecture, model: network.config, objective, preprocessing }
  await replaceFiles(folder, async (aside) => {
    await writeWeights(join(aside, files.weights), network.arena, precision)
    await tokenizer.save(join(aside, files.tokenizer))
    await writeJson(join(aside, files.config), config)
  })
}

/** The `config.json` of a model folder. Throws a ConfigError that names what is wrong in it. */
export async function readModelConfig(folder: string) {
  const path = await currentFile(folder, files.config)
  const { model, objective, preprocessing } = parseConfig(folderConfigSchema, await readJson(path), path)
  return { model, objective, imagePreparation: imagePreparationOf(model, preprocessing) }
}

/**
 * Reads what `saveModel` wrote; `path`: the folder, or a run or a checkpoint that has it. Throws when a file is missing or
 * malformed, and when the weights do not fit the config, naming what is missing, unknown or of another shape.
 */
export async function loadModel(path: string, compute: ComputeType = 'f32'): Promise<LoadedModel> {
  const folder = await modelFolderOf(path)
  const { model, objective, imagePreparation } = await readModelConfig(folder)
  const { end: eos, ...ids } = model.tokens
  const tokenizerPath = await currentFile(folder, files.tokenizer)
  const tokenizer = await JsonTokenizer.load(tokenizerPath, { ...ids, eos })
  if (tokenizer.vocabularySize !== model.vocabulary)
    throw new Error(
      `${folder}: the tokenizer has ${tokenizer.vocabularySize} tokens, the model's vocabulary ${model.vocabulary}`,
    )
  const network = new TransfusionNetwork(model, compute)
  try {
    await loadWeights(network, folder)
  } catch (error) {
    network[Symbol.dispose]()
    throw error
  }
  return { network, tokenizer, objective, imagePreparation }
}

/** Reads a model folder's weights into a network. Throws as `loadModel`. */
export async function loadWeights({ arena }: TransfusionNetwork, folder: string): Promise<void> {
  await readWeights(await currentFile(folder, files.weights), arena)
}
