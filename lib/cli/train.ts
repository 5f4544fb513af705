import { join } from 'node:path'
import { parseConfig } from '../config.js'
import { makeCaptionTokenizer } from '../data/caption_tokenizer.js'
import { drawContactSheet } from '../data/contact_sheet.js'
import { findFashionMnist, openMnist } from '../data/fashion_mnist.js'
import { writePng } from '../data/image_io.js'
import { readJson } from '../data/json_file.js'
import { FolderDataset } from '../data/sources/folder_dataset.js'
import { IdxDataset } from '../data/sources/idx_dataset.js'
import type { ImageDataset } from '../data/sources/image_dataset.js'
import { JsonTokenizer } from '../data/tokenizer.js'
import { Transfusion } from '../generation/transfusion.js'
import { Trainer } from '../training/trainer.js'
import { onInterrupt } from './interrupt.js'
import { TrainingProgress } from './progress.js'
import { openRun, runPaths } from './run_folder.js'
import { modelOptions, type TrainConfig, trainConfigSchema } from './train_config.js'

const say = (line: string) => process.stdout.write(`${line}\n`)

/**
 * `transfusion train config.json`: trains, draws sheets of samples and saves checkpoints on the way, and leaves a model
 * folder. The same command goes on with a run that was stopped.
 */
export async function train(path: string, { out }: { out: string }): Promise<void> {
  const config = parseConfig(trainConfigSchema, await readJson(path), path)
  const dataset = await openDataset(config)
  const { checkpoints, latest } = await openRun(out, config, config.checkpoints.keep)
  const tokenizer = latest
    ? await JsonTokenizer.load(join(latest, 'model', 'tokenizer.json'))
    : await openTokenizer(config.tokenizer, dataset)
  using model = Transfusion.create(modelOptions(config.model), tokenizer, {
    seed: config.training.seed,
    compute: config.precision,
    objective: config.objective,
  })
  using trainer = new Trainer(model, dataset, config.training)
  if (latest) await trainer.restore(latest)
  say(
    `${dataset.length} images, ${tokenizer.vocabularySize} tokens, ${model.parameterCount} parameters` +
      (latest ? `; going on from step ${trainer.done.steps}` : ''),
  )

  const drawSheet = await sheetDrawer(model, config, dataset, out)
  using interrupt = onInterrupt('Stopping after this step and saving; press Ctrl-C again to leave at once.')
  const progress = new TrainingProgress()
  try {
    await trainer.run({
      signal: interrupt.signal,
      onStep: (report) => progress.update(report),
      every: { steps: config.samples.every, run: drawSheet },
      checkpoints: { folder: checkpoints, steps: config.checkpoints.every },
      onWarning: (message) => process.stderr.write(`\n${message}\n`),
    })
  } finally {
    progress.stop()
  }
  const { steps } = trainer.done
  if (interrupt.signal.aborted) {
    say(`Stopped at step ${steps}, which is saved; the same command goes on from it.`)
    return
  }
  await model.save(runPaths(out).model)
  await drawSheet(steps)
  say(`${steps} steps; the model is in ${runPaths(out).model}`)
}

/** What draws the config's prompts as a sheet of samples into the run's folder. */
async function sheetDrawer(
  model: Transfusion,
  { samples }: TrainConfig,
  dataset: ImageDataset,
  out: string,
): Promise<(step: number) => Promise<void>> {
  const { every: _every, prompts = await firstCaptions(dataset), ...options } = samples
  return async (step) => {
    const images = await model.drawImages(prompts, undefined, options)
    const cells = images.map((image, i) => ({ image, captions: [{ text: prompts[i]! }] }))
    const sections = [{ heading: '', rows: [{ cells }] }]
    await writePng(runPaths(out).sheet(step), drawContactSheet({ title: `step ${step}`, scale: 4, sections }))
  }
}
async function openDataset({ data, model }: TrainConfig): Promise<ImageDataset> {
  switch (data.type) {
    case 'fashion-mnist':
      return openMnist(await findFashionMnist(), 'train', data.templates)
    case 'idx':
      return IdxDataset.open({ ...data, imagesPath: data.images, labelsPath: data.labels })
    case 'folder': {
      const { height, width, channels } = model.image
      if (channels !== 1 && channels !== 3)
        throw new Error(`model.image.channels: a folder of images has 1 or 3 channels, received ${channels}`)
      return FolderDataset.open(data.path, { height, width, channels })
    }
  }
}

async function openTokenizer(
  tokenizer: TrainConfig['tokenizer'],
  dataset: ImageDataset,
): Promise<JsonTokenizer> {
  if (tokenizer.type === 'file') return JsonTokenizer.load(tokenizer.path)
  const captions = new Set<string>()
  for (let i = 0; i < dataset.length; i++) for (const text of await captionsOf(dataset, i)) captions.add(text)
  return makeCaptionTokenizer([...captions])
}

async function captionsOf(dataset: ImageDataset, index: number): Promise<string[]> {
  const { parts } = await dataset.get(index)
  return parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
}

/** Up to ten different captions. */
async function firstCaptions(dataset: ImageDataset): Promise<string[]> {
  const captions = new Set<string>()
  for (let i = 0; i < Math.min(dataset.length, 200) && captions.size < 10; i++)
    for (const text of await captionsOf(dataset, i)) captions.add(text)
  return [...captions]
}
