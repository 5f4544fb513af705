import type { Image } from '../data/document.js'
import type { IdxDataset } from '../data/sources/idx_dataset.js'
import { classMeanImages, firstOfEachClass, type ImageFigures, imageFigures } from '../evaluation/figures.js'
import { Judge } from '../evaluation/judge.js'
import { captionPerplexity } from '../evaluation/perplexity.js'
import { completeTexts, drawImages } from '../generation/batch.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import { demoImages } from './demo_config.js'
import { floatsToBytes } from '../data/pixels.js'

const imagesPerClass = 100
const drawnAtOnce = 100
const describedAtOnce = 500
/** Enough for every class's name and the end of the document. */
const captionTokens = 6

export interface DemoFigures extends ImageFigures {
  /** Share of all test images whose greedy caption names their class. */
  caption_accuracy: number
  /** Per caption token of the test set, given the image. */
  perplexity: number
}

export interface DemoResults {
  figures: DemoFigures
  /** Drawn images in a row, `imagesPerClass` of each class. */
  drawn: readonly Image[]
  described: readonly { image: Image; truth: string; written: string }[]
}

interface Data {
  training: IdxDataset
  test: IdxDataset
  /** One a class. */
  captions: readonly string[]
  seed: number
  say: (line: string) => void
}

/** Draws, describes, and has a judge trained on the real training set look at both. */
export async function judgeModel(model: ModelParts, data: Data): Promise<DemoResults> {
  const { training, test, captions, seed, say } = data
  const testLabels = labelsOf(test)
  const real = { images: bytesOf(training), labels: labelsOf(training) }

  say(`Drawing ${captions.length * imagesPerClass} images ...`)
  const asked = Int32Array.from({ length: captions.length * imagesPerClass }, (_, i) =>
    Math.floor(i / imagesPerClass),
  )
  const drawn: Image[] = []
  for (let first = 0; first < asked.length; first += drawnAtOnce) {
    const part = [...asked.subarray(first, first + drawnAtOnce)]
    const seeds = part.map((_, i) => seed * 1_000_000 + first + i)
    drawn.push(
      ...(await drawImages(
        model,
        part.map((label) => captions[label]!),
        seeds,
        demoImages,
      )),
    )
  }

  say(`Describing ${test.length} test images ...`)
  const pairs = Array.from({ length: test.length }, (_, i) => ({
    image: test.image(i),
    caption: captions[testLabels[i]!]!,
  }))
  const written: string[] = []
  for (let first = 0; first < pairs.length; first += describedAtOnce) {
    const prompts = pairs.slice(first, first + describedAtOnce).map(({ image }) => [image])
    written.push(...(await completeTexts(model, prompts, captionTokens)))
  }
  const named = written.filter((text, i) => text.trim() === pairs[i]!.caption).length

  say('Training a judge on the real images ...')
  using judge = await Judge.train({
    ...real,
    side: training.width,
    classes: captions.length,
    seed,
    epochs: 2,
  })
  const scale = firstOfEachClass(real.labels, imagesPerClass)
  const means = classMeanImages(real.images, real.labels, captions.length)
  const figures = await imageFigures({
    drawn: await judge.judge(concatenate(drawn)),
    asked,
    test: await judge.judge(bytesOf(test)),
    testLabels,
    training: await judge.judge(concatenate([...scale].map((i) => training.image(i)))),
    classMeans: await judge.judge(floatsToBytes(means)),
  })
  return {
    figures: {
      ...figures,
      caption_accuracy: named / pairs.length,
      perplexity: await captionPerplexity(model, pairs),
    },
    drawn,
    described: pairs
      .slice(0, 20)
      .map(({ image, caption }, i) => ({ image, truth: caption, written: written[i]! })),
  }
}

const labelsOf = (dataset: IdxDataset): Int32Array =>
  Int32Array.from({ length: dataset.length }, (_, i) => dataset.label(i))

const bytesOf = (dataset: IdxDataset): Uint8Array =>
  concatenate(Array.from({ length: dataset.length }, (_, i) => dataset.image(i)))

function concatenate(images: readonly Image[]): Uint8Array {
  const bytes = new Uint8Array(images.reduce((total, { data }) => total + data.length, 0))
  let offset = 0
  for (const { data } of images) {
    bytes.set(data, offset)
    offset += data.length
  }
  return bytes
}
