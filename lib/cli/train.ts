import { Command } from 'commander'
import { parseConfig } from '../config/parse.js'
import { readConfig } from '../files/config_file.js'
import { resolvePaths } from '../config/paths.js'
import { openSources } from '../datasets/data_config.js'
import type { UnreadableDocument } from '../data/sources/document_source.js'
import type { WeightedSource } from '../data/stream/open_stream.js'
import { Transfusion } from '../transfusion.js'
import { sizeAdvice } from '../models/transfusion/size_advice.js'
import { measureMatmulRate } from '../reporting/matmul_rate.js'
import { formatCount } from '../reporting/report/numbers.js'
import { RunRecorder } from '../reporting/run_recorder.js'
import { hasFinished } from '../reporting/sessions.js'
import { Trainer } from '../training/trainer.js'
import { onInterrupt } from './interrupt.js'
import { LeftOutReport } from '../run/left_out_report.js'
import { modelSizes } from '../run/model_sizes.js'
import { settingOption } from './options.js'
import { say, warn } from './output.js'
import { TrainingProgress } from './progress.js'
import { recordedRun } from '../run/recorded_run.js'
import { resumeRun } from '../run/resume_run.js'
import { lengthChange, progressOf } from '../run/run_changes.js'
import { lockRun, openRun, runPaths } from '../run/run_folder.js'
import { withSizesOfWeights } from '../run/sizes_of_weights.js'
import { checkNewModel, checkSamples } from '../run/train_checks.js'
import {
  modelOptions,
  namedSizes,
  type TrainConfig,
  trainConfigSchema,
  type WrittenTrainConfig,
} from '../run/train_config.js'
import { documentsOf, openTokenizer, spreadTexts, streamOpener, unreadablePolicy } from '../run/train_data.js'
import { unknownWordsOf } from '../generation/unknown_words.js'

export const trainCommand = (): Command =>
  new Command('train')
    .description('train a model as a JSON config says')
    .argument('<config>', 'the config file')
    .option('--out <folder>', 'where the run is written, and resumed', 'runs/train')
    .option('--init <folder>', 'weights to begin with: a model folder, or a Hugging Face Llama')
    .addOption(settingOption())
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  transfusion train examples/fashion-mnist.json --out runs/fashion\n' +
        '  transfusion train examples/fashion-mnist.json --set training.steps=50 --set precision=f32\n' +
        '\ndocs/config.md lists the settings.',
    )
    .action(train)

/** Steps after which metrics are written at the latest. */
const flushedSteps = 100

/**
 * `transfusion train config.json`: trains, draws sheets of samples and saves checkpoints on the way, and leaves a model
 * folder. The same command goes on with a run that was stopped. `init`: a folder whose weights to begin with. `set`:
 * settings that go before the config's.
 */
export async function train(
  path: string,
  { out, init, set }: { out: string; init?: string; set?: readonly string[] },
): Promise<void> {
  const written = await readConfig(path, trainConfigSchema, set)
  const config = parseConfig(trainConfigSchema, await withSizesOfWeights(written, out, init), path)
  if (!init) await checkNewModel(config, path)
  const sources = await openSources(config.data)
  // Before a folder is made.
  for (const { source } of sources) source.unreadable?.forEach(unreadablePolicy(config.loading, () => {}))
  await using _ = await lockRun(out, 'training')
  const { checkpoints, earlierLength } = await openRun(out, recorded(config))
  const leftOut = new LeftOutReport(warn)
  const { onSkip } = leftOut
  const trainerOf = (model: Transfusion) =>
    new Trainer(model, streamOpener(config, sources, model, onSkip), config.training)
  const resumed = await resumeRun(checkpoints, config.precision, trainerOf)
  using model =
    resumed?.model ??
    (await (init
      ? beginWith(init, config, written as WrittenTrainConfig)
      : newModel(config, sources, onSkip)))
  using trainer = resumed?.trainer ?? trainerOf(model)
  const { done } = trainer
  if (resumed && progressOf(config.training, done) === 1 && (await hasFinished(out, done.steps))) {
    say(
      `${out}: this run has finished, with ${done.steps} steps; its model is in ${runPaths(out).model}. ` +
        `To train on, raise training.${config.training.steps ? 'steps' : 'minutes'} in ${path} and give the same command`,
    )
    return
  }
  const longer = resumed && lengthChange(earlierLength, config.training, done)
  if (longer) say(longer)
  await checkSamples(model, config.samples, path)
  using interrupt = onInterrupt('Stopping after this step and saving; press Ctrl-C again to leave at once.', {
    saves: true,
  })
  const documents = documentsOf(sources)
  if (documents !== undefined) say(formatCount(documents, 'document'))
  // Before anything is waited for: the weights of large models take a while.
  say(
    modelSizes(model.network) +
      (resumed ? `; going on from step ${done.steps}` : init ? `; beginning with ${init}` : ''),
  )
  for (const advice of sizeAdvice(model.network.config, model.objective)) warn(advice)
  const unknown = await unknownWordsOf(model.tokenizer, config.samples.prompts ?? [])
  if (unknown !== undefined) warn(`samples.prompts: ${unknown}`)
  const prompts = config.samples.prompts ?? (await spreadTexts(sources, 10))
  const matmulRate = await measureMatmulRate(config.precision)
  const recorder = await RunRecorder.open(out, {
    step: done.steps,
    seconds: done.seconds,
    parameters: model.parameterCount,
    config,
    matmulRate,
    ...config.log,
  })
  // Training goes on without what it reports.
  const notWritten = (error: Error) => warn(`not written: ${error.message}`)
  const flush = () => recorder.flush().catch(notWritten)
  const drawSamples = async (step: number) => {
    const { every: _every, prompts: _prompts, ...options } = config.samples
    const images = await model
      .generateImages(prompts, undefined, options, interrupt.signal)
      .catch((error) => {
        // Whoever stops the run does not wait for its pictures.
        if (!interrupt.signal.aborted) throw error
      })
    if (images && images.length > 0) await recorder.samples(step, images, prompts).catch(notWritten)
    await flush()
  }
  const progress = new TrainingProgress({ matmulRate })
  await recordedRun(out, recorder, warn, async () => {
    try {
      await trainer.run({
        signal: interrupt.signal,
        onStep: (report) => {
          progress.update(report)
          recorder.step(report)
          if (report.step % flushedSteps === 0 || report.step % config.checkpoints.every === 0) void flush()
        },
        every: { steps: config.samples.every, run: drawSamples },
        checkpoints: {
          folder: checkpoints,
          steps: config.checkpoints.every,
          onUnwritten: config.checkpoints.onUnwritten,
        },
        onWarning: warn,
      })
      progress.stop(!interrupt.signal.aborted)
    } catch (error) {
      progress.stop()
      throw error
    }
    for (const line of leftOut.summary(sources)) say(line)
    const { steps } = trainer.done
    if (interrupt.signal.aborted) {
      say(`Stopped at step ${steps}, which is saved; the same command goes on from it.`)
      return 'interrupted'
    }
    await model.save(runPaths(out).model)
    if (steps % config.samples.every !== 0) await drawSamples(steps)
    say(`${steps} steps; the model is in ${runPaths(out).model}`)
    return 'finished'
  })
}

/** A config as a run's folder keeps it, where it is read from anywhere. */
const recorded = (config: TrainConfig) =>
  resolvePaths(trainConfigSchema, config, process.cwd()) as TrainConfig

/** A new model, its tokenizer made from the data where the config says so. */
async function newModel(
  config: TrainConfig,
  sources: readonly WeightedSource[],
  onSkip: (document: UnreadableDocument) => void,
): Promise<Transfusion> {
  const { objective, precision: compute, model, imagePreparation, training } = config
  const tokenizer = await openTokenizer(config, sources, onSkip)
  const options = { objective, compute, seed: training.seed, imagePreparation }
  return Transfusion.create(modelOptions(model), tokenizer, options)
}

/** A model with the weights of a folder, which decides all that the config does not say. */
const beginWith = (
  folder: string,
  { precision: compute, imagePreparation, training: { seed } }: TrainConfig,
  { model, objective }: WrittenTrainConfig,
): Promise<Transfusion> =>
  Transfusion.initializeFrom(folder, {
    sizes: namedSizes(model ?? {}),
    objective,
    compute,
    seed,
    imagePreparation,
  })
