/** Emoji in pairs of style and name: how well a model draws and describes those that it learned from, and held-out ones. */
import { checkArguments } from '../../arguments.js'
import { emojiCaption, type EmojiData, emojiSide } from '../../datasets/emoji/emoji.js'
import { evenlySpread } from '../../data/sample_order.js'
import { mostTokens } from '../../tokenizer/tokenizer.js'
import { completeTexts } from '../../generation/batch.js'
import { generateImages } from '../../generation/generate_images.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import type { ModelParts } from '../../models/transfusion/folder.js'
import { drawingProgress } from '../../evaluation/drawing_progress.js'
import { type EmojiAnswer, type EmojiAnswers, type EmojiFigures, emojiFigures } from './emoji_figures.js'
import { EmojiJudges } from './emoji_judges.js'

/** How emoji are drawn and judged. */
export interface EmojiEvaluationOptions {
  /** Of drawing and of the judges; image i is drawn from the seed 1,000,000 seed + i. */
  seed: number
  /** Sampler, steps, guidance: as of a generation. */
  images?: ImageGenerationOptions
  /** Ends the evaluation; it then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Told what begins, and how far long drawing is. */
  say?: (line: string) => void
}

/** Figures, and what they were computed from. */
export interface EmojiEvaluation extends EmojiAnswers {
  /** As written to JSON. */
  readonly figures: EmojiFigures
}

/**
 * Draws and describes the held-out pairs and as many training pairs, and has judges trained on the real training pictures
 * look at what was drawn. Rejects with a RangeError where the model draws images of another size.
 */
export async function evaluateEmoji(
  model: ModelParts,
  data: EmojiData,
  options: EmojiEvaluationOptions,
): Promise<EmojiEvaluation> {
  checkArguments('evaluateEmoji', {
    model: [model, 'model'],
    data: [data, 'object'],
    options: [options, 'object'],
  })
  const { seed, images, signal, say = () => {} } = options
  checkSize(model)
  const { training, heldOut } = data
  const unseen = heldOut.pictures
  const seen = evenlySpread(training.pictures, unseen.length)
  const asked = [...seen, ...unseen]
  const captions = asked.map(emojiCaption)
  say(`Drawing ${asked.length} emoji, ${unseen.length} of them of held-out pairs of style and name ...`)
  const seeds = asked.map((_, i) => seed * 1_000_000 + i)
  const onImage = drawingProgress(asked.length, say)
  const drawn = await generateImages(model, captions, seeds, images, { signal, onImage })
  say('Describing as many real emoji ...')
  const prompts = asked.map(({ image }) => [image])
  // And the end of the document.
  const longest = 1 + (await mostTokens(model.tokenizer, captions))
  const written = await completeTexts(model, prompts, longest, signal)
  const answers = asked.map((picture, i): EmojiAnswer => ({
    picture,
    drawn: drawn[i]!,
    written: written[i]!.trim(),
  }))
  const parts = { training: answers.slice(0, seen.length), heldOut: answers.slice(seen.length) }
  say('Training judges on the real emoji ...')
  using judges = await EmojiJudges.train(training, { seed, signal })
  return { figures: await emojiFigures(judges, data, parts), ...parts }
}

function checkSize({ network }: ModelParts): void {
  const { height, width, channels } = network.config.image
  if (height !== emojiSide || width !== emojiSide || channels !== 3)
    throw new RangeError(
      `emoji: the pictures are ${emojiSide} x ${emojiSide} of 3 channels, the model's ${height} x ${width} of ` +
        `${channels}`,
    )
}
