import { describe, expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../../../lib/tokenizer/caption_tokenizer.js'
import type { Image } from '../../../../lib/image/image.js'
import { emojiCaption, EmojiDataset, openEmoji } from '../../../../lib/datasets/emoji/emoji.js'
import { Transfusion } from '../../../../lib/transfusion.js'
import { transfusionTrainingSchema } from '../../../../lib/models/transfusion/training/options.js'
import { Trainer } from '../../../../lib/models/transfusion/training/trainer.js'

const colours = ['red', 'green', 'blue']

/** Which of red, green and blue is the strongest in the middle of an image of 32 x 32 pixels, and by how much. */
function strongest({ data }: Image): { colour: string; lead: number } {
  const at = (16 * 32 + 16) * 3
  const ranked = colours
    .map((colour, i) => ({ colour, value: data[at + i]! }))
    .toSorted((a, b) => b.value - a.value)
  return { colour: ranked[0]!.colour, lead: ranked[0]!.value - ranked[1]!.value }
}

describe('training on colours', () => {
  it('generates hearts of one shape in their colours, and tells them by these', async () => {
    const { training, heldOut } = await openEmoji()
    const all = [...training.pictures, ...heldOut.pictures]
    const hearts = colours.map((colour) =>
      all.find(({ style, name }) => style === 'noto' && name === `${colour} heart`),
    )
    const data = new EmojiDataset(
      hearts.map((heart) => heart!),
      training.classNames,
    )
    const captions = data.pictures.map(emojiCaption)
    const image = {
      channels: 3,
      patch: 4,
      height: 32,
      width: 32,
      timestep: 'after',
      positions: 'sincos',
    } as const
    using model = Transfusion.create(
      { layers: 2, channels: 64, heads: 4, feedForward: 128, image },
      makeCaptionTokenizer(captions),
      { seed: 3, objective: { prediction: 'v', weighting: 'v' } },
    )
    const options = transfusionTrainingSchema.parse({
      seed: 3,
      steps: 200,
      batchSize: 12,
      optimizer: { type: 'muon' },
      learningRate: { peak: 1e-2, final: 1e-3, warmupSteps: 10 },
    })
    using trainer = new Trainer(model, data, options)
    await trainer.run()

    const generated = await model.generateImages(captions, undefined, {
      sampler: 'ddim',
      steps: 20,
      guidance: 1,
    })
    expect(generated.map((heart) => strongest(heart).colour)).toEqual(colours)
    for (const heart of generated) expect(strongest(heart).lead).toBeGreaterThan(10)
    const written = await model.completeTexts(
      data.pictures.map((heart) => [heart.image]),
      6,
    )
    expect(written).toEqual(captions)
  })
})
