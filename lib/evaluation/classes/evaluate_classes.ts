import { checkArguments, checkOptions } from '../../arguments.js'
import type { Image } from '../../image/image.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import type { GenerativeModel } from '../../generation/model.js'
import { checkClassData, checkClassImages, type ClassData } from './class_data.js'
import { generateClassImages, type GeneratedClassImages } from './class_images.js'
import { ClassReference } from './class_reference.js'
import { captionedImages, describePairs } from '../describe_images.js'
import type { ImageMetrics } from '../image_metrics/image_metrics.js'
import { captionPerplexity } from '../text/perplexity.js'
import { rankOptions } from '../text/rank.js'
import { rankAccuracy, type RankMetrics } from '../text/ranking.js'

/** How many images are generated, described and ranked, and how. */
export interface ClassEvaluationOptions {
  /** Of the generated images and of the classifier. */
  seed: number
  /** Images to generate from each caption: 2 or more, which diversity needs, or 0: none, and no classifier is trained. */
  perClass: number
  /** Sampler, steps, guidance: as of a generation. */
  images?: ImageGenerationOptions
  /** Test images, from the first, to describe; 0: none. */
  described: number
  /** Test images, from the first, for which all captions are ranked; 0: none. */
  ranked: number
  /** Gives the classifier, which stays the caller's: by `train`, or one that it made for the same data, `perClass` and seed. */
  reference?: (train: () => Promise<ClassReference>) => Promise<ClassReference>
  /** Stops the evaluation, which then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Receives a line on each part that begins, and on the progress of long generations. */
  onMessage?: (line: string) => void
}

const optionKeys = {
  seed: true,
  perClass: true,
  images: true,
  described: true,
  ranked: true,
  reference: true,
  signal: true,
  onMessage: true,
} as const satisfies Record<keyof ClassEvaluationOptions, true>

/** Metrics of images in classes; those that were not computed are absent. */
export interface ClassMetrics
  extends Partial<ImageMetrics>, Partial<Pick<RankMetrics, 'rank_accuracy' | 'rank_accuracy_per_token'>> {
  /** Share of the described test images whose greedy caption is their class's. */
  caption_accuracy?: number
  /** Per caption token, given the image. */
  perplexity?: number
}

/** Metrics, and what they were computed from. */
export interface ClassEvaluation {
  /** As written to JSON. */
  readonly metrics: ClassMetrics
  /** Absent where `perClass` is 0. */
  readonly generated: GeneratedClassImages | undefined
  /** Test images with their class's caption and the one that the model wrote. */
  readonly described: readonly { image: Image; caption: string; written: string }[]
}

/**
 * Generates images of each class, describes test images and ranks captions for them; a classifier that is trained on the
 * training images measures what was generated. Rejects with a RangeError where the model generates images of another size
 * than the data has, and with the signal's reason when it aborts.
 */
export async function evaluateClasses(
  model: GenerativeModel,
  data: ClassData,
  settings: ClassEvaluationOptions,
): Promise<ClassEvaluation> {
  checkArguments('evaluateClasses', { model: [model, 'model'], options: [settings, 'object'] })
  checkOptions('evaluateClasses', settings, optionKeys)
  checkClassData('evaluateClasses', data)
  const {
    perClass,
    described: count,
    ranked,
    onMessage = () => {},
    seed,
    images,
    reference: given,
    signal,
  } = settings
  checkArguments('evaluateClasses', {
    'options.seed': [seed, 'number'],
    'options.perClass': [perClass, 'number'],
    'options.described': [count, 'number'],
    'options.ranked': [ranked, 'number'],
  })
  const { test, captions } = data
  const metrics: ClassMetrics = {}
  checkClassImages('evaluateClasses', model, data)
  if (perClass === 1)
    throw new RangeError(
      'evaluateClasses: perClass must be 0, or at least 2, which diversity needs, received 1',
    )

  let generated: GeneratedClassImages | undefined
  if (perClass > 0) {
    const train = () => {
      onMessage('Training a classifier on the real images ...')
      return ClassReference.prepare(data, { perClass, seed, signal })
    }
    // First, as it refuses data that the metrics cannot be computed from.
    using own = given ? undefined : await train()
    const reference = own ?? (await given!(train))
    onMessage(`Generating ${captions.length * perClass} images ...`)
    generated = await generateClassImages(model, captions, { perClass, seed, images, signal, onMessage })
    Object.assign(metrics, await reference.metrics(generated))
  }

  const pairs = captionedImages(test, captions, count)
  let described: ClassEvaluation['described'] = []
  if (pairs.length > 0) {
    onMessage(`Describing ${pairs.length} test images ...`)
    const result = await describePairs(model, pairs, signal)
    described = result.described
    metrics.caption_accuracy = result.accuracy
    metrics.perplexity = await captionPerplexity(model, pairs, { signal })
  }

  const rankedPairs = captionedImages(test, captions, ranked)
  if (rankedPairs.length > 0) {
    onMessage(`Ranking the captions of ${rankedPairs.length} test images ...`)
    const questions = rankedPairs.map(({ image }) => ({ context: [image], options: captions }))
    const targets = rankedPairs.map(({ caption }) => captions.indexOf(caption))
    const rankings = rankOptions(model, questions, { end: true, signal })
    const { rank_accuracy, rank_accuracy_per_token } = await rankAccuracy(rankings, targets)
    Object.assign(metrics, { rank_accuracy, rank_accuracy_per_token })
  }
  return { metrics, generated, described }
}
