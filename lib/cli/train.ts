import { join } from 'node:path'
import { parseConfig } from '../config.js'
import { drawContactSheet } from '../data/contact_sheet.js'
import type { Image } from '../data/document.js'
import { openSources } from '../data/data_config.js'
import { writePng } from '../data/image_io.js'
import { readJson } from '../data/json_file.js'
import type { WeightedSource } from '../data/stream/open_stream.js'
import { Transfusion } from '../generation/transfusion.js'
import { RunRecorder } from '../reporting/run_recorder.js'
import { Trainer } from '../training/trainer.js'
import { onInterrupt } from './interrupt.js'
import { TrainingProgress } from './progress.js'
import { openRun, runPaths } from './run_folder.js'
import { modelOptions, namedSizes, type TrainConfig, trainConfigSchema } from './train_config.js'
import { firstTexts, openTokenizer, streamOpener } from './train_data.js'

const say = (line: string) => process.stdout.write(`${line}\n`)
/** Steps after which metrics are written at the latest. */
const flushedSteps = 100

const warn = (line: string) => process.stderr.write(`\n${line}\n`)

/**
 * `transfusion train config.json`: trains, draws sheets of samples and saves checkpoints on the way, and leaves a model
 * folder. The same command goes on with a run that was stopped. `init`: a folder whose weights to begin with.
 */
export async function train(path: string, { out, init }: { out: string; init?: string }): Promise<void> {
  const config = parseConfig(trainConfigSchema, await readJson(path), path)
  const sources = await openSources(config.data)
  const { checkpoints, latest } = await openRun(out, config, config.checkpoints.keep)
  using model = await openModel(config, sources, latest, init)
  const data = streamOpener(config, sources, model, ({ error }) => warn(`left out: ${error.message}`))
  using trainer = new Trainer(model, data, config.training)
  if (latest) await trainer.restore(latest)
  say(
    `${model.tokenizer.vocabularySize} tokens, ${model.parameterCount} parameters` +
      (latest ? `; going on from step ${trainer.done.steps}` : init ? `; beginning with ${init}` : ''),
  )

  const { steps: step, seconds } = trainer.done
  const recorder = await RunRecorder.open(out, { step, seconds, ...config.log })
  const flush = () =>
    recorder.flush().catch((error: Error) => warn(`metrics were not written: ${error.message}`))
  const draw = await sheetDrawer(model, config, sources)
  const drawSheet = async (step: number) => {
    const sheet = await draw(step)
    if (sheet) await Promise.all([writePng(runPaths(out).sheet(step), sheet), recorder.samples(step, sheet)])
    await flush()
  }
  using interrupt = onInterrupt('Stopping after this step and saving; press Ctrl-C again to leave at once.')
  const progress = new TrainingProgress()
  try {
    await trainer.run({
      signal: interrupt.signal,
      onStep: (report) => {
        progress.update(report)
        recorder.step(report)
        if (report.step % flushedSteps === 0) void flush()
      },
      every: { steps: config.samples.every, run: drawSheet },
      checkpoints: { folder: checkpoints, steps: config.checkpoints.every },
      onWarning: warn,
    })
  } catch (error) {
    await flush()
    throw error
  } finally {
    progress.stop()
  }
  const { steps } = trainer.done
  if (interrupt.signal.aborted) {
    await recorder.close()
    say(`Stopped at step ${steps}, which is saved; the same command goes on from it.`)
    return
  }
  await model.save(runPaths(out).model)
  if (steps % config.samples.every !== 0) await drawSheet(steps)
  await recorder.close()
  say(`${steps} steps; the model is in ${runPaths(out).model}`)
}

/** A run's own model as its checkpoint has it, a new one, or one with the weights of the folder `init`. */
async function openModel(
  { objective, precision: compute, model, tokenizer, training: { seed } }: TrainConfig,
  sources: readonly WeightedSource[],
  latest: string | undefined,
  init: string | undefined,
): Promise<Transfusion> {
  if (latest) return Transfusion.load(join(latest, 'model'), { compute })
  const options = { objective, compute, seed }
  if (init) return Transfusion.initializeFrom(init, { sizes: namedSizes(model), ...options })
  return Transfusion.create(modelOptions(model), await openTokenizer(tokenizer, sources), options)
}

/** What draws the config's prompts as a sheet of samples; nothing where there are none. */
async function sheetDrawer(
  model: Transfusion,
  { samples }: TrainConfig,
  sources: readonly WeightedSource[],
): Promise<(step: number) => Promise<Image | undefined>> {
  const { every: _every, prompts = await firstTexts(sources, 10), ...options } = samples
  return async (step) => {
    if (prompts.length === 0) return undefined
    const images = await model.drawImages(prompts, undefined, options)
    const cells = images.map((image, i) => ({ image, captions: [{ text: prompts[i]! }] }))
    const sections = [{ heading: '', rows: [{ cells }] }]
    return drawContactSheet({ title: `step ${step}`, scale: 4, sections })
  }
}
