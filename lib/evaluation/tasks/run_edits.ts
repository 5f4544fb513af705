import { generateImages } from '../../generation/generate_images.js'
import type { GenerativeModel } from '../../generation/model.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import { type EditExample, emojiEdits, pixelError, shapesEdits } from '../edits/edit_examples.js'
import { smallestSide } from '../../datasets/shapes/render.js'
import { squareSide } from '../generated_size.js'
import { generationProgress } from '../generation_progress.js'
import type { EditTask } from './evaluate_config.js'
import { meanMetric, type Metric, shareMetric } from './evaluation_result.js'
import type { Outcome, TaskOptions } from './task.js'

/**
 * Edits pictures, and counts the right answers, with the errors of the answers and of copies of the sources beside them. Rejects
 * with a RangeError where the model generates other pictures than square ones in colour, and with the signal's reason when it aborts.
 */
export async function runEdits(
  model: GenerativeModel,
  task: Omit<EditTask, 'images'> & { images: ImageGenerationOptions },
  { seed, signal, onMessage }: TaskOptions,
): Promise<Outcome> {
  const { data, count, tolerance, images } = task
  const size = squareSide('edits', model, smallestSide)
  const examples =
    data === 'shapes' ? shapesEdits(size, count, seed) : await emojiEdits(size, count, seed, tolerance)
  onMessage(`Editing ${count} images ...`)
  const prompts = examples.map(({ source, instruction }) => [source, instruction])
  const seeds = examples.map((_, i) => seed + i)
  const onImage = generationProgress(count, onMessage)
  const answers = await generateImages(model, prompts, seeds, images, { signal, onImage })
  const right = examples.map((example, i) => example.isRight(answers[i]!))
  const errors = examples.map(({ target }, i) => pixelError(answers[i]!, target))
  const copies = examples.map(({ source, target }) => pixelError(source, target))
  return {
    data,
    settings: { seed, size, count, images, ...(data === 'emoji' && { tolerance }) },
    metrics: {
      edits_right: shareOf(right),
      ...rightByKind(examples, right),
      pixel_error: meanMetric(errors),
      pixel_error_of_copies: meanMetric(copies),
    },
  }
}

const shareOf = (right: readonly boolean[]): Metric =>
  shareMetric(right.filter(Boolean).length / right.length, right.length)

function rightByKind(examples: readonly EditExample[], right: readonly boolean[]): Record<string, Metric> {
  const kinds = [...new Set(examples.map(({ kind }) => kind))].toSorted()
  return Object.fromEntries(
    kinds.map((kind) => [`edits_right_${kind}`, shareOf(right.filter((_, i) => examples[i]!.kind === kind))]),
  )
}
