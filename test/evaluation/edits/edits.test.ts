import { expect, it } from 'vitest'
import { emojiEdits, pixelError, shapesEdits } from '../../../lib/evaluation/edits/edit_examples.js'
import { evaluate } from '../../../lib/evaluation/evaluate.js'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import { Transfusion } from '../../../lib/transfusion.js'

const emoji = await emojiEdits(32, 60, 0, 0.1)

it('takes the true edit for right, and never a copy of the source', () => {
  for (const examples of [shapesEdits(32, 60, 1), emoji]) {
    expect(examples).toHaveLength(60)
    for (const { source, target, isRight } of examples) {
      expect(isRight(target)).toBe(true)
      expect(isRight(source)).toBe(false)
    }
  }
})

it('takes what is within the tolerance for right', () => {
  const { target, isRight } = emoji[0]!
  const shifted = (by: number) => ({
    ...target,
    data: target.data.map((value) => (value < 128 ? value + by : value - by)),
  })
  expect(pixelError(shifted(51), target)).toBeCloseTo(0.2, 12)
  expect(isRight(shifted(25))).toBe(true)
  expect(isRight(shifted(26))).toBe(false)
})

const modelOf = (side: number) =>
  Transfusion.create(
    {
      layers: 1,
      channels: 16,
      heads: 1,
      feedForward: 16,
      image: { channels: 3, patch: 8, height: side, width: side },
    },
    makeCaptionTokenizer(['make it grey']),
  )

it('measures a model by eval', async () => {
  using model = modelOf(32)
  const task = { type: 'edits', data: 'emoji', count: 6, images: { steps: 1 } } as const
  const { results } = await evaluate(model, { tasks: [task] })
  const { metrics } = results[0]!
  expect(metrics['edits_right']).toMatchObject({ value: 0, count: 6 })
  const copies = emoji.slice(0, 6).map(({ source, target }) => pixelError(source, target))
  expect(metrics['pixel_error_of_copies']!.value).toBeCloseTo(copies.reduce((a, b) => a + b) / 6, 12)
  expect(metrics['pixel_error']!.value).toBeGreaterThan(0.1)
})

it('says which size the model generates', async () => {
  using model = modelOf(16)
  const task = { type: 'edits', data: 'shapes', count: 2, images: { steps: 1 } } as const
  await expect(evaluate(model, { tasks: [task] })).rejects.toThrow(
    'edits: the model must generate square pictures in colour from 32 pixels, it generates 16 x 16 in colour',
  )
  await expect(emojiEdits(32, 2, 0, 1)).rejects.toThrow(
    'tolerance must be less than what edits change, received 1',
  )
})
