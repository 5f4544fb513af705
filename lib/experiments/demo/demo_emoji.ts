import { parseConfig } from '../../config/parse.js'
import { emojiCaption, emojiSide, openEmoji, type EmojiData } from '../../datasets/emoji/emoji.js'
import { evenlySpread } from '../../data/sample_order.js'
import { evaluateEmoji } from '../emoji/evaluate_emoji.js'
import { demoImages, demoObjective, demoTraining } from './demo_config.js'
import { emojiSheet } from './demo_emoji_sheet.js'
import type { DemoSettings, DemoTask } from './demo_task.js'
import { modelOptionsSchema } from '../../models/transfusion/model_options.js'

/** About 4 M parameters, of which two cores take some five steps a second. */
const emojiModel = parseConfig(
  modelOptionsSchema,
  {
    layers: 4,
    channels: 192,
    heads: 6,
    feedForward: 512,
    image: {
      channels: 3,
      // 64 patches. U-Net blocks, because emoji are all edges, which linear patches decode each by itself, with seams.
      patch: 4,
      unet: { channels: [64, 128], stem: 2 },
      height: emojiSide,
      width: emojiSide,
      // A patch's place matters more than its distance to others: emoji are centred.
      positions: 'sincos',
    },
  },
  'demo model',
)

/** Images are generated for so many training pairs, and so many held-out ones, during training. */
const promptsOfEach = 10

/** Emoji in two styles. Rejects with an Error that says how to get the icons where they are missing. */
export const openEmojiTask = async (settings: DemoSettings): Promise<DemoTask> =>
  emojiTask(await openEmoji(), settings)

/** The task for given pictures. */
export function emojiTask(data: EmojiData, settings: DemoSettings): DemoTask {
  const { training, heldOut } = data
  // One attempt: the metrics are to tell how it generates pairs that it was not trained on.
  const images = { ...demoImages(settings.minutes), attempts: 1 }
  return {
    name: 'emoji',
    data: training,
    testLength: heldOut.length,
    captions: [training, heldOut].flatMap(({ pictures }) => pictures.map(emojiCaption)),
    prompts: [training, heldOut].flatMap(({ pictures }) =>
      evenlySpread(pictures, promptsOfEach).map(emojiCaption),
    ),
    model: emojiModel,
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
