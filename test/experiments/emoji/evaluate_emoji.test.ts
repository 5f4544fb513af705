import { beforeAll, describe, expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import { emojiCaption, type EmojiData, openEmoji, splitEmoji } from '../../../lib/datasets/emoji/emoji.js'
import { evenlySpread } from '../../../lib/data/sample_order.js'
import { otherStyle } from '../../../lib/datasets/emoji/emoji_names.js'
import {
  type EmojiAnswer,
  type EmojiAnswers,
  emojiFigures,
} from '../../../lib/experiments/emoji/emoji_figures.js'
import { EmojiJudges } from '../../../lib/experiments/emoji/emoji_judges.js'
import { evaluateEmoji } from '../../../lib/experiments/emoji/evaluate_emoji.js'
import { Transfusion } from '../../../lib/transfusion.js'
import { memory } from '../../../lib/tensor/device.js'
import { Trainer } from '../../../lib/training/trainer.js'
import { trainingOptionsSchema } from '../../../lib/training/options.js'

let data: EmojiData

beforeAll(async () => {
  const { training, heldOut } = await openEmoji()
  // All pictures of every fourth name: judges train four times as fast.
  const all = [...training.pictures, ...heldOut.pictures]
  const names = [...new Set(all.map(({ name }) => name))].filter((_, i) => i % 4 === 0)
  data = splitEmoji(all.filter(({ name }) => names.includes(name)))
})

describe('emojiFigures', () => {
  /** Answers as a model would give that draws and writes like this. */
  const answersOf = (
    answer: (picture: EmojiAnswer['picture']) => Omit<EmojiAnswer, 'picture'>,
  ): EmojiAnswers => {
    const of = (pictures: readonly EmojiAnswer['picture'][]) =>
      pictures.map((picture) => ({ picture, ...answer(picture) }))
    return {
      training: of(evenlySpread(data.training.pictures, data.heldOut.length)),
      heldOut: of(data.heldOut.pictures),
    }
  }

  it('tells a model that draws what is asked from one that copies the style it knows', async () => {
    const { live } = memory()
    {
      using judges = await EmojiJudges.train(data.training, { seed: 1 })
      const perfect = await emojiFigures(
        judges,
        data,
        answersOf((picture) => ({ drawn: picture.image, written: emojiCaption(picture) })),
      )
      expect(perfect).toMatchObject({
        training_found: 1,
        held_out_found: 1,
        training_farther: 1,
        held_out_farther: 1,
        held_out_restyled: 1,
        training_caption_accuracy: 1,
        held_out_caption_accuracy: 1,
        held_out_name_accuracy: 1,
        held_out_caption_style_accuracy: 1,
        held_out_group_accuracy: perfect.judge_group_accuracy,
        held_out_style_accuracy: perfect.judge_style_accuracy,
      })
      expect(perfect.training_group_accuracy).toBeGreaterThan(0.98)
      expect(perfect.training_style_accuracy).toBeGreaterThan(0.98)
      // Eight groups and two styles: far above chance.
      expect(perfect.judge_group_accuracy).toBeGreaterThan(0.35)
      expect(perfect.judge_style_accuracy).toBeGreaterThan(0.75)

      const otherOf = ({ name, style }: EmojiAnswer['picture']) =>
        [...data.training.pictures, ...data.heldOut.pictures].find(
          (other) => other.name === name && other.style === otherStyle(style),
        )!
      const copied = await emojiFigures(
        judges,
        data,
        answersOf((picture) => ({ drawn: otherOf(picture).image, written: emojiCaption(otherOf(picture)) })),
      )
      expect(copied).toMatchObject({
        held_out_found: perfect.other_style_found,
        held_out_farther: perfect.other_style_farther,
        held_out_restyled: 0,
        training_caption_accuracy: 0,
        held_out_caption_accuracy: 0,
        held_out_name_accuracy: 1,
        held_out_caption_style_accuracy: 0,
        judge_group_accuracy: perfect.judge_group_accuracy,
      })
      expect(copied.held_out_style_accuracy).toBeLessThan(0.1)
      expect(copied.held_out_found).toBeLessThan(0.6)
      expect(copied.held_out_farther).toBeGreaterThan(0.7)
    }
    expect(memory().live).toBe(live)
  })
})

describe('evaluateEmoji', () => {
  const modelOf = (side: number, channels: number) =>
    Transfusion.create(
      {
        layers: 1,
        channels: 32,
        heads: 2,
        feedForward: 48,
        image: { channels, patch: 8, height: side, width: side },
      },
      makeCaptionTokenizer(
        [data.training, data.heldOut].flatMap(({ pictures }) => pictures.map(emojiCaption)),
      ),
      { seed: 3 },
    )

  it('draws and describes both parts with a model that learned colours', async () => {
    using model = modelOf(32, 3)
    const options = { steps: 240, batchSize: 16, learningRate: { peak: 1e-2, warmupSteps: 10 } }
    using trainer = new Trainer(model, data.training, trainingOptionsSchema.parse(options))
    const losses: number[] = []
    await trainer.run({ onStep: ({ diffusion }) => losses.push(diffusion) })
    const meanOf = (part: readonly number[]) => part.reduce((sum, loss) => sum + loss, 0) / part.length
    expect(meanOf(losses.slice(-20))).toBeLessThan(0.9 * meanOf(losses.slice(0, 10)))

    const said: string[] = []
    const few = {
      training: data.training,
      heldOut: splitEmoji(data.heldOut.pictures.slice(0, 5)).heldOut,
    }
    const { figures, training, heldOut } = await evaluateEmoji(model, few, {
      seed: 2,
      images: { steps: 2 },
      say: (line) => said.push(line),
    })
    expect(heldOut.map(({ picture }) => picture)).toEqual(few.heldOut.pictures)
    expect(training.map(({ picture }) => picture)).toEqual(evenlySpread(data.training.pictures, 5))
    for (const { drawn } of [...training, ...heldOut])
      expect(drawn).toMatchObject({ width: 32, height: 32, channels: 3 })
    for (const value of Object.values(figures)) {
      expect(value).toBeGreaterThanOrEqual(0)
      expect(value).toBeLessThanOrEqual(1)
    }
    expect(said[0]).toBe('Drawing 10 emoji, 5 of them of held-out pairs of style and name ...')
  })

  it('refuses a model of other images', async () => {
    using model = modelOf(16, 1)
    await expect(evaluateEmoji(model, data, { seed: 0 })).rejects.toThrow(
      "the pictures are 32 x 32 of 3 channels, the model's 16 x 16 of 1",
    )
  })
})
