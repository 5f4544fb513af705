/** How well a model generates and describes emoji in pairs of style and name: those of its training and held-out ones. */
import { checkArguments, checkOptions } from '../../arguments.js'
import { emojiCaption, type EmojiData } from '../../datasets/emoji/emoji.js'
import { evenlySpread } from '../../data/sample_order.js'
import { generateImages } from '../../generation/generate_images.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import type { GenerativeModel } from '../../generation/model.js'
import { describePairs } from '../../evaluation/describe_images.js'
import { generatedSize } from '../../evaluation/generated_size.js'
import { generationProgress } from '../../evaluation/generation_progress.js'
import { type EmojiOutput, type EmojiOutputs, type EmojiMetrics, emojiMetrics } from './emoji_metrics.js'
import { EmojiClassifiers } from './emoji_classifiers.js'

/** How emoji are generated and measured. */
export interface EmojiEvaluationOptions {
  /** Of the classifiers and the images; image i is generated from the seed 1,000,000 seed + i. */
  seed: number
  /** Sampler, steps, guidance: as of a generation. */
  images?: ImageGenerationOptions
  /** Stops the evaluation, which then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Receives a line on each part that begins, and on the progress of long generations. */
  onMessage?: (line: string) => void
}

/** Metrics, and what they were computed from. */
export interface EmojiEvaluation extends EmojiOutputs {
  /** As written to JSON. */
  readonly metrics: EmojiMetrics
}

/**
 * Generates and describes the held-out pairs and as many training pairs; classifiers that are trained on the real training
 * pictures measure what was generated. Rejects with a RangeError where the model generates images of another size.
 */
export async function evaluateEmoji(
  model: GenerativeModel,
  data: EmojiData,
  options: EmojiEvaluationOptions,
): Promise<EmojiEvaluation> {
  checkArguments('evaluateEmoji', {
    model: [model, 'model'],
    data: [data, 'object'],
    options: [options, 'object'],
  })
  checkOptions('evaluateEmoji', options, { seed: true, images: true, signal: true, onMessage: true })
  const { seed, images, signal, onMessage = () => {} } = options
  checkSize(model, data)
  const { training, heldOut } = data
  const unseen = heldOut.pictures
  const seen = evenlySpread(training.pictures, unseen.length)
  const pairs = [...seen, ...unseen]
  const captions = pairs.map(emojiCaption)
  onMessage(
    `Generating ${pairs.length} emoji, ${unseen.length} of them of held-out pairs of style and name ...`,
  )
  const seeds = pairs.map((_, i) => seed * 1_000_000 + i)
  const onImage = generationProgress(pairs.length, onMessage)
  const generated = await generateImages(model, captions, seeds, images, { signal, onImage })
  onMessage('Describing as many real emoji ...')
  const real = pairs.map(({ image }, i) => ({ image, caption: captions[i]! }))
  const { described } = await describePairs(model, real, signal)
  const outputs = pairs.map((picture, i): EmojiOutput => ({
    picture,
    generated: generated[i]!,
    written: described[i]!.written,
  }))
  const parts = { training: outputs.slice(0, seen.length), heldOut: outputs.slice(seen.length) }
  onMessage('Training classifiers on the real emoji ...')
  using classifiers = await EmojiClassifiers.train(training, { seed, signal })
  return { metrics: await emojiMetrics(classifiers, data, parts), ...parts }
}

function checkSize(model: GenerativeModel, { heldOut }: EmojiData): void {
  const { height, width, channels } = generatedSize('evaluateEmoji', model)
  const real = heldOut.pictures[0]!.image
  if (height !== real.height || width !== real.width || channels !== real.channels)
    throw new RangeError(
      `evaluateEmoji: model must generate images of ${real.height} x ${real.width} of ${real.channels} channels, as the pictures ` +
        `are, received ${height} x ${width} of ${channels}`,
    )
}
