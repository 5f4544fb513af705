/** What `transfusion train` does, for programs: a config in, a run's folder out. */
import { join } from 'node:path'
import { checkArguments, checkOptions } from '../arguments.js'
import { givenConfig } from './given_config.js'
import { given } from '../config/given.js'
import { parseConfig } from '../config/parse.js'
import { resolvePaths } from '../config/paths.js'
import { openSources } from '../datasets/data_config.js'
import type { WeightedSource } from '../data/stream/open_stream.js'
import { hasFinished } from '../reporting/sessions.js'
import { CheckpointFolder } from '../training/checkpoint_folder.js'
import type { BpeProgress } from '../tokenizer/bpe/train_tokenizer.js'
import { type Device, parseDevice } from '../tensor/device.js'
import { LeftOutReport } from './left_out_report.js'
import { type RunMessages, silent } from './messages.js'
import { modelRun } from './model_runs.js'
import type { RunModel } from './run_model.js'
import { productsMessage } from './products_message.js'
import { resumeRun } from './resume_run.js'
import { lengthChange, progressOf } from './run_changes.js'
import { lockRun, type OpenRun, openRun, runPaths } from './run_folder.js'
import { withSizesOfWeights } from './sizes_of_weights.js'
import { checkNewModel } from './train_checks.js'
import { type TrainConfig, trainConfigSchema, type WrittenTrainConfig } from './train_config.js'
import { unreadablePolicy } from './train_data.js'
import { type SessionHooks, trainSession } from './train_session.js'

/** Where a run is written, what it begins with, and its hooks. */
export interface TrainRunOptions extends SessionHooks {
  /** The run's folder, which is made, or whose run goes on; by default `runs/train`. */
  out?: string
  /** A folder whose weights a new run begins with: a model folder, or a language model of Hugging Face's. */
  init?: string
  /** Where the model is trained, in place of the config's device. */
  device?: Device
  /** Settings that replace the config's, as `--set` takes them: `training.steps=50`. */
  set?: readonly string[]
  /** Called while a BPE tokenizer is trained for the run. */
  onTokenizerProgress?: (progress: BpeProgress) => void
  /** Called once model and data are open and every setting is checked, before anything is measured or trained. */
  onReady?: () => void
}

const optionKeys = {
  out: true,
  init: true,
  device: true,
  set: true,
  signal: true,
  onMessage: true,
  onWarning: true,
  onTokenizerProgress: true,
  onReady: true,
  onTrainingStart: true,
  onStep: true,
  onTrainingEnd: true,
} as const satisfies Record<keyof TrainRunOptions, true>

/** What a call of {@link trainFromConfig} came to. */
export interface TrainRunResult {
  /** `interrupted`: the signal ended training; its last step is saved, and the same call goes on from it. */
  outcome: 'finished' | 'interrupted'
  /** Steps that the run has taken, those of earlier sessions included. */
  steps: number
  /** Seconds of training, those of earlier sessions included. */
  seconds: number
  /** The folder of the model, for `Transfusion.load`; there once the run has finished. */
  model: string
}

/**
 * Trains a model as a config says, with the files that `transfusion train` leaves in the run's folder: `config.json`,
 * `metrics.jsonl`, event files for TensorBoard, `samples-*.png`, `checkpoints/`, `report.html` and at the end `model/`. Where
 * the folder holds checkpoints of this config, the run goes on from the latest, bit for bit where it is limited by steps.
 *
 * `config`: the path of a config file, or what such a file holds, whose paths are then relative to the working folder.
 * The folder is locked meanwhile.
 *
 * @throws ConfigError that lists each wrong setting with what would be right
 * @throws Error where the folder is in use, holds another run, or data, weights or files cannot be read or written
 */
export async function trainFromConfig(
  config: string | WrittenTrainConfig,
  options: TrainRunOptions = {},
): Promise<TrainRunResult> {
  checkArguments('trainFromConfig', { config: [config, 'configOrPath'] })
  checkOptions('trainFromConfig', options, optionKeys)
  const { out = 'runs/train', init } = options
  const { name, written } = await givenConfig(config, options)
  const parsed = parseConfig(trainConfigSchema, await withSizesOfWeights(written, out, init), name)
  parseDevice(parsed.device, name)
  await checkNewModel(await continuedConfig(parsed, out, name), name)
  const sources = await openSources(parsed.data, modelRun(parsed))
  // Refused before a folder is made.
  for (const { source } of sources) source.unreadable?.forEach(unreadablePolicy(parsed.loading, () => {}))
  const hooks = { ...silent, ...given(options) }
  await using _ = await lockRun(out, 'training', hooks.onWarning)
  // Awaited here: the lock is released once this function returns.
  return await runIn(out, {
    name,
    config: parsed,
    written,
    sources,
    run: await openRun(out, recorded(parsed), hooks.onWarning),
    init,
    hooks,
  })
}

/** A config with what a run that goes on has of its own in its latest checkpoint that can be read. */
async function continuedConfig(config: TrainConfig, out: string, name: string): Promise<TrainConfig> {
  for (const checkpoint of await new CheckpointFolder(runPaths(out).checkpoints, 1).all()) {
    const continued = await modelRun(config).continued(join(checkpoint, 'model'), name)
    if (continued) return continued
  }
  return config
}

/** A run that is ready to begin or go on. */
interface ReadyRun {
  /** Begins messages about the config: its path, where it has one. */
  name: string
  config: TrainConfig
  /** Without defaults, and without what is left to the weights that the run begins with. */
  written: unknown
  sources: readonly WeightedSource[]
  run: OpenRun
  init: string | undefined
  hooks: TrainRunOptions & RunMessages
}

async function runIn(
  out: string,
  { name, config, written, sources, run, init, hooks }: ReadyRun,
): Promise<TrainRunResult> {
  const { onMessage, onWarning } = hooks
  const leftOut = new LeftOutReport(onWarning)
  const data = { sources, onSkip: leftOut.onSkip }
  const ofModel = modelRun(config)
  const trainerOf = (model: RunModel) => model.trainer(data)
  const resumed = await resumeRun(run.checkpoints, ofModel, trainerOf, onWarning)
  using model =
    resumed?.model ??
    (init ? await ofModel.initialize(init, written, data) : await ofModel.create(data, hooks))
  using trainer = resumed?.trainer ?? trainerOf(model)
  const result = () => ({ ...trainer.done, model: runPaths(out).model })
  const { done } = trainer
  if (resumed && progressOf(config.training, done) === 1 && (await hasFinished(out, done.steps))) {
    onMessage(
      `${out}: this run has finished, with ${done.steps} steps; its model is in ${runPaths(out).model}. ` +
        `To train on, raise training.${config.training.steps ? 'steps' : 'minutes'} in ${name} and give the same command`,
    )
    return { outcome: 'finished', ...result() }
  }
  const longer = resumed && lengthChange(run.earlierLength, config.training, done)
  if (longer) onMessage(longer)
  await model.checkSamples(name)
  const products = resumed ? undefined : await productsMessage(config)
  hooks.onReady?.()
  if (products !== undefined) onMessage(products)
  const beginning = resumed ? `; going on from step ${done.steps}` : init ? `; beginning with ${init}` : ''
  const session = { out, config, model, trainer, data, leftOut, checkpoints: run.checkpoints, beginning }
  return { outcome: await trainSession(session, hooks), ...result() }
}

/** A config as a run's folder keeps it, where it is read from anywhere. */
const recorded = (config: TrainConfig) =>
  resolvePaths(trainConfigSchema, config, process.cwd()) as TrainConfig
