import { checkArguments } from '../../../arguments.js'
import type { StreamState } from '../../../data/document_stream.js'
import { changedSources, streamStateSchema } from '../../../data/stream_state.js'
import type { BatchSource, RunStart, TaskCheckpoint, TaskLoss, TrainingTask } from '../../../training/task.js'
import { ConfigError } from '../../../config/parse.js'
import { frozenNames, type Trained } from '../freeze.js'
import { isFactor, refuseOtherLora } from '../lora.js'
import { isImageParameter } from '../image_parameters.js'
import { loadWeights, type ModelParts, saveModel } from '../io/folder.js'
import { modelFiles } from '../io/locate.js'
import { BatchMaker } from './batches.js'
import { openTrainingData, type TrainingData } from './data.js'
import { type Denominators, type TrainingBatch, transfusionLoss } from './loss.js'
import type { TransfusionTrainingOptions } from './options.js'
import { batchStatistics } from './statistics.js'

/** A packed sequence, and what its losses' sums are divided by. */
export interface MicroBatch {
  /** The sequence, its targets and its noise. */
  readonly batch: TrainingBatch
  /** Over the whole batch of the step. */
  readonly denominators: Denominators
}

/** What trains a Transfusion model. Terms: `lm` and `diffusion`, those of {@link transfusionLoss}. */
export function transfusionTask(
  model: ModelParts,
  data: TrainingData,
  options: TransfusionTrainingOptions,
): TrainingTask<MicroBatch, StreamState> {
  checkArguments('transfusionTask', {
    model: [model, 'model'],
    data: [data, 'trainingData'],
    options: [options, 'object'],
  })
  if (options.freeze !== undefined || options.lora !== undefined) requireTrained(model, options)
  return {
    arena: model.network.arena,
    parameterKinds: {
      image: ({ name }) => isImageParameter(name),
      text: ({ name }) => !isImageParameter(name),
    },
    begin: (start) => begin(model, data, options, start),
    loss: ({ batch, denominators }) => lossOf(model, batch, options, denominators),
    checkpoint: checkpointOf(model),
  }
}

/** Parameters lie in memory as the model was made, so it is then that they are frozen. */
function requireTrained({ network: { arena, lora } }: ModelParts, trained: Trained): void {
  const maker = 'Transfusion.create, load, fromPretrained or initializeFrom, which make the model'
  if (trained.lora)
    refuseOtherLora(trained.lora, lora, 'training options', `give the same \`lora\` to ${maker}`)
  const parameters = arena.everyParameter.filter(({ name }) => !isFactor(name))
  const frozen = frozenNames(parameters, { freeze: trained.freeze, lora }, 'training options: ')
  const other = parameters.find((parameter) => arena.fixed.has(parameter) !== frozen.has(parameter.name))
  if (other)
    throw new ConfigError(
      `training options: freeze: ${other.name} is ${frozen.has(other.name) ? 'trained' : 'frozen'} in this model: give the same ` +
        `\`freeze\` to ${maker}`,
    )
}

async function begin(
  model: ModelParts,
  data: TrainingData,
  options: TransfusionTrainingOptions,
  { seed, gradientAccumulation, dataState, onWarning }: RunStart<StreamState>,
): Promise<BatchSource<MicroBatch, StreamState>> {
  const { network } = model
  network.recomputeBlocks = options.recompute
  const { batchTokens } = options
  const longest = batchTokens && Math.floor(batchTokens / gradientAccumulation)
  const stream = await openTrainingData(data, model, {
    seed,
    ...(dataState && { state: dataState }),
    ...(longest && { longest }),
  })
  const batches = new BatchMaker(stream, model, { ...options, seed, gradientAccumulation })
  let before = dataState
  return {
    async next(step) {
      const made = await batches.make(step)
      const { microBatches, denominators, dataState } = made
      changedSources(before, dataState).forEach(onWarning)
      before = undefined
      return {
        microBatches: microBatches.map((batch) => ({ batch, denominators })),
        statistics: batchStatistics(made, network),
        dataState,
      }
    },
    close: () => stream.close(),
  }
}

function lossOf(
  { network }: ModelParts,
  batch: TrainingBatch,
  options: TransfusionTrainingOptions,
  denominators: Denominators,
): TaskLoss {
  const { total, lm, diffusion } = transfusionLoss(network, batch, options, denominators)
  return { total, terms: { ...(lm && { lm }), ...(diffusion && { diffusion }) } }
}

/** Checksums are that of the folder's config, which lists those of the other files. */
const checkpointOf = (model: ModelParts): TaskCheckpoint<StreamState> => ({
  dataState: streamStateSchema,
  save: async (folder, weights) => ({
    [modelFiles.config]: await saveModel(folder, model, 'f32', weights, false),
  }),
  load: (folder, { checksums, verify }) =>
    loadWeights(model.network, folder, verify, checksums?.[modelFiles.config]),
})
