import { parseConfig } from '../../config/parse.js'
import { emojiCaption, emojiSide, openEmoji, type EmojiData } from '../../datasets/emoji/emoji.js'
import { evenlySpread } from '../../data/sample_order.js'
import { evaluateEmoji } from '../emoji/evaluate_emoji.js'
import { demoImages, demoObjective, demoTraining } from './demo_config.js'
import { emojiSheet } from './demo_emoji_sheet.js'
import type { DemoSettings, DemoTask } from './demo_task.js'
import { modelOptionsSchema } from '../../models/transfusion/model_options.js'

/** The transformer: about 4 M parameters, of which two cores take some five steps a second. */
export const emojiTransformer = { layers: 4, channels: 192, heads: 6, feedForward: 512 } as const

/** Sides of emoji, in pixels, that a model of pixels reads. */
export const pixelSides = [32, 64] as const
export type PixelSide = (typeof pixelSides)[number]

/** A level for each halving of the image, down to 8 x 8 patches. */
const unetChannels = { 32: [64, 128], 64: [32, 64, 128] } as const satisfies Record<PixelSide, unknown>

/** A model of pixels. */
export const emojiModel = (side: PixelSide) =>
  parseConfig(
    modelOptionsSchema,
    {
      ...emojiTransformer,
      image: {
        channels: 3,
        // 64 patches. U-Net blocks, because emoji are all edges, which linear patches decode each by itself, with seams.
        patch: side / 8,
        unet: { channels: unetChannels[side], stem: 2 },
        height: side,
        width: side,
        // A patch's place matters more than its distance to others: emoji are centred.
        positions: 'sincos',
      },
    },
    'demo model',
  )

/** Images are generated for so many training pairs, and so many held-out ones, during training. */
const promptsOfEach = 10

/** Emoji in two styles. Rejects with an Error that says how to get the icons where they are missing. */
export async function openEmojiTask(settings: DemoSettings): Promise<DemoTask> {
  const { side = emojiSide } = settings
  if (!isPixelSide(side))
    throw new RangeError(
      `runDemo: side must be ${pixelSides.join(' or ')} for a model of pixels, received ${side}; larger emoji are for latents`,
    )
  return emojiTask(await openEmoji(side), settings)
}

const isPixelSide = (side: number): side is PixelSide => (pixelSides as readonly number[]).includes(side)

/** The task for given pictures. */
export const emojiTask = (data: EmojiData, settings: DemoSettings): DemoTask => ({
  ...emojiLearning(data, settings),
  data: data.training,
  model: emojiModel((settings.side ?? emojiSide) as PixelSide),
})

/** What of a task is the same for pixels and latents. */
export function emojiLearning(data: EmojiData, settings: DemoSettings): Omit<DemoTask, 'data' | 'model'> {
  const { training, heldOut } = data
  const { side = emojiSide } = settings
  const images = {
    ...demoImages(settings.minutes),
    // Of larger images, those of 250 steps would take longer than training.
    ...(side > emojiSide && { sampler: 'dpmpp' as const, steps: 25 }),
    // The metrics are to tell how it generates pairs that it was not trained on.
    attempts: 1,
    ...settings.images,
  }
  return {
    name: side === emojiSide ? 'emoji' : `emoji of ${side} x ${side} pixels`,
    testLength: heldOut.length,
    captions: [training, heldOut].flatMap(({ pictures }) => pictures.map(emojiCaption)),
    prompts: [training, heldOut].flatMap(({ pictures }) =>
      evenlySpread(pictures, promptsOfEach).map(emojiCaption),
    ),
    objective: demoObjective,
    minutes: settings.minutes,
    training: demoTraining(settings),
    images,
    async evaluate(model, onMessage) {
      const { seed } = settings
      const { metrics, ...outputs } = await evaluateEmoji(model, data, { seed, images, onMessage })
      return { metrics: { ...metrics }, sheet: emojiSheet(outputs, training) }
    },
  }
}
