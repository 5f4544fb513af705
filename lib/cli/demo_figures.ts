import type { Image } from '../data/document.js'
import { type ClassData, ClassReference, describeImages, drawClasses } from '../evaluation/classes.js'
import type { ImageFigures } from '../evaluation/figures.js'
import { captionPerplexity } from '../evaluation/perplexity.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import { demoImages } from './demo_config.js'

const imagesPerClass = 100

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

interface Data extends ClassData {
  seed: number
  say: (line: string) => void
}

/** Draws, describes, and has a judge trained on the real training set look at both. */
export async function judgeModel(model: ModelParts, data: Data): Promise<DemoResults> {
  const { test, captions, seed, say } = data
  const settings = { perClass: imagesPerClass, seed, images: demoImages }

  say(`Drawing ${captions.length * imagesPerClass} images ...`)
  const drawn = await drawClasses(model, captions, settings)

  say(`Describing ${test.length} test images ...`)
  const pairs = Array.from({ length: test.length }, (_, i) => ({
    image: test.image(i),
    caption: captions[test.label(i)]!,
  }))
  const written = await describeImages(
    model,
    pairs.map(({ image }) => image),
  )
  const named = written.filter((text, i) => text === pairs[i]!.caption).length

  say('Training a judge on the real images ...')
  using reference = await ClassReference.prepare(data, settings)
  return {
    figures: {
      ...(await reference.figures(drawn)),
      caption_accuracy: named / pairs.length,
      perplexity: await captionPerplexity(model, pairs),
    },
    drawn: drawn.images,
    described: pairs
      .slice(0, 20)
      .map(({ image, caption }, i) => ({ image, truth: caption, written: written[i]! })),
  }
}
