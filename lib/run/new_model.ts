import type { UnreadableDocument } from '../data/sources/document_source.js'
import type { WeightedSource } from '../data/stream/open_stream.js'
import type { BpeHooks } from '../tokenizer/bpe/train_tokenizer.js'
import { Transfusion } from '../transfusion.js'
import { modelOptions, namedSizes, type TrainConfig, type WrittenTrainConfig } from './train_config.js'
import { openTokenizer } from './train_data.js'

/** A new model, its tokenizer made from the data where the config says so; `hooks`: of the tokenizer's training. */
export async function createModel(
  config: TrainConfig,
  sources: readonly WeightedSource[],
  onSkip: (document: UnreadableDocument) => void,
  hooks: BpeHooks,
): Promise<Transfusion> {
  const { objective, precision: compute, device, model, imagePreparation, training } = config
  const tokenizer = await openTokenizer(config, sources, onSkip, hooks)
  const options = { objective, compute, device, seed: training.seed, imagePreparation }
  return Transfusion.create(modelOptions(model), tokenizer, options)
}

/** A model with the weights of a folder, which decides all that the config, as it was written, leaves out. */
export const initializeModel = (
  folder: string,
  { precision: compute, device, imagePreparation, training: { seed } }: TrainConfig,
  { model, objective }: WrittenTrainConfig,
): Promise<Transfusion> =>
  Transfusion.initializeFrom(folder, {
    sizes: namedSizes(model ?? {}),
    objective,
    compute,
    device,
    seed,
    imagePreparation,
  })
