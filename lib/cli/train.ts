import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseConfig } from '../config.js'
import { writeAtomically } from '../data/atomic_file.js'
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
import { modelOptions, type TrainConfig, trainConfigSchema } from './train_config.js'

/** `transfusion train config.json`: trains, draws sheets of samples on the way, and leaves a model folder. */
export async function train(path: string, { out }: { out: string }): Promise<void> {
  const config = parseConfig(trainConfigSchema, await readJson(path), path)
  const dataset = await openDataset(config)
  const tokenizer = await openTokenizer(config.tokenizer, dataset)
  using model = Transfusion.create(modelOptions(config.model), tokenizer, {
    seed: config.training.seed,
    compute: config.precision,
    objective: config.objective,
  })
  await mkdir(out, { recursive: true })
  await writeAtomically(join(out, 'config.json'), (file) =>
    file.writeFile(`${JSON.stringify(config, null, 2)}\n`),
  )
  process.stdout.write(
    `${dataset.length} images, ${tokenizer.vocabularySize} tokens, ${model.parameterCount} parameters\n`,
  )

  const prompts = config.samples.prompts ?? (await firstCaptions(dataset))
  const { every, prompts: _prompts, ...imageOptions } = config.samples
  using interrupt = onInterrupt('Stopping after this step and saving; press Ctrl-C again to leave at once.')
  using trainer = new Trainer(model, dataset, config.training)
  const progress = new TrainingProgress()
  const drawSheet = async (step: number) => {
    const images = await model.drawImages(prompts, undefined, imageOptions)
    const cells = images.map((image, i) => ({ image, captions: [{ text: prompts[i]! }] }))
    const sheet = drawContactSheet({
      title: `step ${step}`,
      scale: 4,
      sections: [{ heading: '', rows: [{ cells }] }],
    })
    await writePng(join(out, `samples-${String(step).padStart(7, '0')}.png`), sheet)
  }
  await trainer.run({
    signal: interrupt.signal,
    onStep: (report) => progress.update(report),
    every: { steps: every, run: drawSheet },
  })
  progress.stop()
  await model.save(join(out, 'model'))
  await drawSheet(trainer.done.steps)
  process.stdout.write(`${trainer.done.steps} steps; the model is in ${join(out, 'model')}\n`)
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
