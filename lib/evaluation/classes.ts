/** Images in classes, each class with its caption: how well a model draws them and describes them. */
import { checkArguments } from '../arguments.js'
import type { Image } from '../image/image.js'
import { concatenateImages, floatsToBytes } from '../image/pixels.js'
import type { LabelledImages } from '../data/sources/image_folder.js'
import { mostTokens } from '../tokenizer/tokenizer.js'
import { completeTexts } from '../generation/batch.js'
import { generateImages } from '../generation/generate_images.js'
import type { ImageGenerationOptions } from '../generation/options.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import {
  classMeanImages,
  firstOfEachClass,
  type ImageEvidence,
  type ImageFigures,
  type Judged,
} from './figures.js'
import { drawingProgress } from './drawing_progress.js'
import { Judge } from './judge.js'
import { imageFigures } from './statistics.js'

/** A data set whose classes are drawn and described. */
export interface ClassData {
  /** What the judge is trained on. */
  training: LabelledImages
  /** Held out: neither the model nor the judge has seen it. */
  test: LabelledImages
  /** One a class. */
  captions: readonly string[]
}

/** Drawn images with the classes they were to show. */
export interface DrawnClasses {
  /** In the order of the classes. */
  images: readonly Image[]
  /** The class of each. */
  asked: Int32Array
}

/** How many images of each class are drawn, and how. */
export interface DrawingOptions {
  /** Images of each class. */
  perClass: number
  /** Image i is drawn from the seed 1,000,000 seed + i. */
  seed: number
  /** Sampler, steps, guidance: as of a generation. */
  images?: ImageGenerationOptions
  /** Ends the drawing; it then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Told how far it is. */
  say?: (line: string) => void
}

/** Throws a TypeError that names what is missing of the data. */
export function checkClassData(callee: string, data: ClassData): void {
  checkArguments(callee, { data: [data, 'object'] })
  checkArguments(callee, {
    'data.training': [data.training, 'labelled'],
    'data.test': [data.test, 'labelled'],
    'data.captions': [data.captions, 'strings'],
  })
}

/** Throws a RangeError where the model draws images of another size than the data has. */
export function checkClassImages({ network }: ModelParts, { test }: ClassData): void {
  const { height, width, channels } = network.config.image
  if (height !== test.height || width !== test.width || channels !== test.channels)
    throw new RangeError(
      `classes: the images are ${test.height} x ${test.width} ${test.channels === 1 ? 'in grayscale' : 'in colour'}, ` +
        `the model's ${height} x ${width} of ${channels} channels: other data, or other tasks, suit it`,
    )
}

/** Draws as many images from each caption. */
export async function drawClasses(
  model: ModelParts,
  captions: readonly string[],
  options: DrawingOptions,
): Promise<DrawnClasses> {
  checkArguments('drawClasses', {
    model: [model, 'model'],
    captions: [captions, 'strings'],
    options: [options, 'object'],
  })
  const { perClass, seed, images, signal, say = () => {} } = options
  const asked = Int32Array.from({ length: captions.length * perClass }, (_, i) => Math.floor(i / perClass))
  const prompts = Array.from(asked, (label) => captions[label]!)
  const seeds = prompts.map((_, i) => seed * 1_000_000 + i)
  const onImage = drawingProgress(prompts.length, say)
  return { images: await generateImages(model, prompts, seeds, images, { signal, onImage }), asked }
}

/** The first images of a data set with the captions of their classes. */
export const captionedImages = (dataset: LabelledImages, captions: readonly string[], count: number) =>
  Array.from({ length: Math.min(count, dataset.length) }, (_, i) => ({
    image: dataset.image(i),
    caption: captions[dataset.label(i)]!,
  }))

/** Images beside the captions that a model writes for them, and the share of those that are the images' own. */
export async function describePairs<Pair extends { image: Image; caption: string }>(
  model: ModelParts,
  pairs: readonly Pair[],
  signal?: AbortSignal,
): Promise<{ described: (Pair & { written: string })[]; accuracy: number }> {
  const images = pairs.map(({ image }) => image)
  // One more than the longest: what is cut there is none of the captions.
  const captions = pairs.map(({ caption }) => caption)
  const maxTokens = 1 + (await mostTokens(model.tokenizer, captions))
  const written = await describeImages(model, images, { maxTokens, signal })
  const described = pairs.map((pair, i) => ({ ...pair, written: written[i]! }))
  const right = described.filter(({ caption, written }) => written === caption).length
  return { described, accuracy: right / pairs.length }
}

/** How images are described. */
export interface DescribingOptions {
  /** Most tokens of a caption, 64 by default: a longer one is cut. */
  maxTokens?: number
  /** Told of each caption that has as many tokens, and may have been cut: the number of its image. */
  onCut?: (image: number) => void
  /** Ends the work; it then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** The greedy caption of each image. */
export async function describeImages(
  model: ModelParts,
  images: readonly Image[],
  options: DescribingOptions = {},
): Promise<string[]> {
  checkArguments('describeImages', {
    model: [model, 'model'],
    images: [images, 'array'],
    options: [options, 'options'],
  })
  const { maxTokens = 64, onCut, signal } = options
  const prompts = images.map((image) => [image])
  const written = await completeTexts(model, prompts, maxTokens, signal)
  for (const [i, text] of written.entries())
    if (onCut && (await model.tokenizer.encode(text)).length >= maxTokens) onCut(i)
  return written.map((text) => text.trim())
}

/** A judge trained on real images, and what it sees in those that drawn images are compared with. */
export class ClassReference {
  private constructor(
    /** The classifier, which this owns. */
    readonly judge: Judge,
    private readonly real: {
      test: Judged
      testLabels: ArrayLike<number>
      training: Judged
      classMeans: Judged
    },
  ) {}

  /** Trains the judge on the whole training set; `perClass` images of each of its classes are kept for scale. */
  static async prepare(
    data: ClassData,
    options: Pick<DrawingOptions, 'perClass' | 'seed' | 'signal'>,
  ): Promise<ClassReference> {
    checkClassData('ClassReference.prepare', data)
    checkArguments('ClassReference.prepare', { options: [options, 'object'] })
    const { training, test, captions } = data
    const { perClass, seed, signal } = options
    const { pixels: images, labels, width: side, channels } = training
    for (const { width, height } of [training, test])
      if (width !== height || width % 2 !== 0)
        throw new RangeError(
          `classes: a judge looks at square images of an even side, these are ${height} x ${width}`,
        )
    const judge = await Judge.train({
      images,
      labels,
      side,
      channels,
      classes: captions.length,
      seed,
      epochs: 2,
      signal,
    })
    try {
      const sample = Array.from(firstOfEachClass(labels, perClass), (i) => training.image(i))
      return new ClassReference(judge, {
        test: await judge.judge(test.pixels),
        testLabels: test.labels,
        training: await judge.judge(concatenateImages(sample)),
        classMeans: await judge.judge(floatsToBytes(await classMeanImages(images, labels, captions.length))),
      })
    } catch (error) {
      judge[Symbol.dispose]()
      throw error
    }
  }

  /** The figures of drawn images, and of the judge itself. */
  async figures(drawn: DrawnClasses): Promise<ImageFigures> {
    return imageFigures(await this.evidence(drawn))
  }

  /** What the judge sees in drawn images, beside what it saw in the real ones. */
  async evidence({ images, asked }: DrawnClasses): Promise<ImageEvidence> {
    return { ...this.real, drawn: await this.judge.judge(concatenateImages(images)), asked }
  }

  /** Frees the judge. */
  [Symbol.dispose](): void {
    this.judge[Symbol.dispose]()
  }
}
