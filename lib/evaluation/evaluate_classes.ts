import { checkArguments } from '../arguments.js'
import type { Image } from '../image/image.js'
import type { ImageGenerationOptions } from '../generation/options.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import {
  captionedImages,
  checkClassData,
  checkClassImages,
  type ClassData,
  ClassReference,
  describePairs,
  drawClasses,
  type DrawnClasses,
} from './classes.js'
import type { ImageFigures } from './figures.js'
import { captionPerplexity } from './perplexity.js'
import { rankAccuracy, type RankFigures, rankOptions } from './rank.js'

/** How many images are drawn, described and ranked, and how. */
export interface ClassEvaluationOptions {
  /** Of drawing and of the judge. */
  seed: number
  /** Images to draw from each caption; 0: none, and no judge is trained. */
  perClass: number
  /** Sampler, steps, guidance: as of a generation. */
  images?: ImageGenerationOptions
  /** Test images, from the first, to describe; 0: none. */
  described: number
  /** Test images, from the first, for which all captions are ranked; 0: none. */
  ranked: number
  /** Ends the evaluation; it then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Told what begins, and how far long drawing is. */
  say?: (line: string) => void
}

/** Of images in classes; those of what was not asked for are absent. Shares of test images where nothing else is said. */
export interface ClassFigures extends Partial<ImageFigures>, Partial<RankFigures> {
  /** Of those whose greedy caption is their class's. */
  caption_accuracy?: number
  /** Per caption token, given the image. */
  perplexity?: number
}

/** Figures, and what they were computed from. */
export interface ClassEvaluation {
  /** As written to JSON. */
  readonly figures: ClassFigures
  /** Absent where no images were asked for. */
  readonly drawn: DrawnClasses | undefined
  /** Test images with their class's caption and the one that the model wrote. */
  readonly described: readonly { image: Image; caption: string; written: string }[]
}

/**
 * Draws, describes and ranks, and has a judge trained on the training images look at what was drawn. Rejects with a
 * RangeError where the model draws images of another size than the data has.
 */
export async function evaluateClasses(
  model: ModelParts,
  data: ClassData,
  settings: ClassEvaluationOptions,
): Promise<ClassEvaluation> {
  checkArguments('evaluateClasses', { model: [model, 'model'], options: [settings, 'object'] })
  checkClassData('evaluateClasses', data)
  const { perClass, described: count, ranked, say = () => {}, ...options } = settings
  const { test, captions } = data
  const { signal } = options
  const figures: ClassFigures = {}
  checkClassImages(model, data)

  let drawn: DrawnClasses | undefined
  if (perClass > 0) {
    say(`Drawing ${captions.length * perClass} images ...`)
    drawn = await drawClasses(model, captions, { ...options, perClass, say })
    say('Training a judge on the real images ...')
    using reference = await ClassReference.prepare(data, { ...options, perClass })
    Object.assign(figures, await reference.figures(drawn))
  }

  const pairs = captionedImages(test, captions, count)
  let described: ClassEvaluation['described'] = []
  if (pairs.length > 0) {
    say(`Describing ${pairs.length} test images ...`)
    const answers = await describePairs(model, pairs, signal)
    described = answers.described
    figures.caption_accuracy = answers.accuracy
    figures.perplexity = await captionPerplexity(model, pairs, { signal })
  }

  const questions = captionedImages(test, captions, ranked)
  if (questions.length > 0) {
    say(`Ranking the captions of ${questions.length} test images ...`)
    const asked = questions.map(({ image }) => ({ context: [image], options: captions }))
    const right = questions.map(({ caption }) => captions.indexOf(caption))
    Object.assign(figures, await rankAccuracy(rankOptions(model, asked, { end: true, signal }), right))
  }
  return { figures, drawn, described }
}
