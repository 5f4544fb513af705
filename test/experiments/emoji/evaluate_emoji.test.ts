import { beforeAll, describe, expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import { emojiCaption, type EmojiData, openEmoji, splitEmoji } from '../../../lib/datasets/emoji/emoji.js'
import { captionedImage } from '../../../lib/data/sources/image_dataset.js'
import { describeImages } from '../../../lib/evaluation/describe_images.js'
import { evenlySpread } from '../../../lib/data/sample_order.js'
import { otherStyle } from '../../../lib/datasets/emoji/emoji_names.js'
import {
  type EmojiOutput,
  type EmojiOutputs,
  emojiMetrics,
} from '../../../lib/experiments/emoji/emoji_metrics.js'
import { EmojiClassifiers } from '../../../lib/experiments/emoji/emoji_classifiers.js'
import { evaluateEmoji } from '../../../lib/experiments/emoji/evaluate_emoji.js'
import { Transfusion } from '../../../lib/transfusion.js'
import { memory } from '../../../lib/tensor/device.js'
import { Trainer } from '../../../lib/models/transfusion/training/trainer.js'

let data: EmojiData

beforeAll(async () => {
  const { training, heldOut } = await openEmoji()
  // All pictures of every fourth name: classifiers train four times as fast.
  const all = [...training.pictures, ...heldOut.pictures]
  const names = [...new Set(all.map(({ name }) => name))].filter((_, i) => i % 4 === 0)
  data = splitEmoji(all.filter(({ name }) => names.includes(name)))
})

describe('emojiMetrics', () => {
  /** The outputs of a model that generates and writes like this. */
  const outputsOf = (
    output: (picture: EmojiOutput['picture']) => Omit<EmojiOutput, 'picture'>,
  ): EmojiOutputs => {
    const of = (pictures: readonly EmojiOutput['picture'][]) =>
      pictures.map((picture) => ({ picture, ...output(picture) }))
    return {
      training: of(evenlySpread(data.training.pictures, data.heldOut.length)),
      heldOut: of(data.heldOut.pictures),
    }
  }

  it('tells a model that generates each pair from one that copies the style it knows', async () => {
    const { live } = memory()
    {
      using classifiers = await EmojiClassifiers.train(data.training, { seed: 1 })
      const perfect = await emojiMetrics(
        classifiers,
        data,
        outputsOf((picture) => ({ generated: picture.image, written: emojiCaption(picture) })),
      )
      expect(perfect).toMatchObject({
        training_retrieval_at_1: 1,
        held_out_retrieval_at_1: 1,
        training_retrieval_auc: 1,
        held_out_retrieval_auc: 1,
        held_out_style_retrieval_at_1: 1,
        training_caption_accuracy: 1,
        held_out_caption_accuracy: 1,
        held_out_name_accuracy: 1,
        held_out_caption_style_accuracy: 1,
        held_out_group_accuracy: perfect.classifier_group_accuracy,
        held_out_style_accuracy: perfect.classifier_style_accuracy,
      })
      expect(perfect.training_group_accuracy).toBeGreaterThan(0.98)
      expect(perfect.training_style_accuracy).toBeGreaterThan(0.98)
      // Eight groups and two styles: far above chance.
      expect(perfect.classifier_group_accuracy).toBeGreaterThan(0.35)
      expect(perfect.classifier_style_accuracy).toBeGreaterThan(0.75)

      const otherOf = ({ name, style }: EmojiOutput['picture']) =>
        [...data.training.pictures, ...data.heldOut.pictures].find(
          (other) => other.name === name && other.style === otherStyle(style),
        )!
      const copied = await emojiMetrics(
        classifiers,
        data,
        outputsOf((picture) => ({
          generated: otherOf(picture).image,
          written: emojiCaption(otherOf(picture)),
        })),
      )
      expect(copied).toMatchObject({
        held_out_retrieval_at_1: perfect.other_style_retrieval_at_1,
        held_out_retrieval_auc: perfect.other_style_retrieval_auc,
        held_out_style_retrieval_at_1: 0,
        training_caption_accuracy: 0,
        held_out_caption_accuracy: 0,
        held_out_name_accuracy: 1,
        held_out_caption_style_accuracy: 0,
        classifier_group_accuracy: perfect.classifier_group_accuracy,
      })
      expect(copied.held_out_style_accuracy).toBeLessThan(0.1)
      expect(copied.held_out_retrieval_at_1).toBeLessThan(0.6)
      expect(copied.held_out_retrieval_auc).toBeGreaterThan(0.7)
    }
    expect(memory().live).toBe(live)
  })
})

describe('evaluateEmoji', () => {
  const modelOf = (side: number, channels: number) =>
    Transfusion.create(
      {
        layers: 2,
        channels: 64,
        heads: 2,
        feedForward: 128,
        image: {
          channels,
          patch: 8,
          height: side,
          width: side,
          positions: 'sincos',
          timestep: 'after',
        },
      },
      makeCaptionTokenizer(
        [data.training, data.heldOut].flatMap(({ pictures }) => pictures.map(emojiCaption)),
      ),
      { seed: 3, objective: { prediction: 'v', weighting: 'v' } },
    )

  it('generates and describes the pairs of both parts, and measures what it returns', async () => {
    using model = modelOf(32, 3)
    const few = {
      training: data.training,
      heldOut: splitEmoji(data.heldOut.pictures.slice(0, 5)).heldOut,
    }
    // The five training pairs that are evaluated, learned by heart.
    const learned = evenlySpread(data.training.pictures, 5)
    const samples = learned.map((picture) => captionedImage(emojiCaption(picture), picture.image))
    const learnedData = { length: samples.length, classNames: [], get: (i: number) => samples[i]! }
    using trainer = new Trainer(model, learnedData, {
      steps: 240,
      batchSize: 10,
      learningRate: { peak: 1e-2, warmupSteps: 10 },
      optimizer: { type: 'muon' },
      timesteps: { cleanFraction: 0.3 },
    })
    await trainer.run()

    const logged: string[] = []
    const images = { sampler: 'ddim', steps: 10, guidance: 1 } as const
    const onMessage = (line: string) => logged.push(line)
    const { metrics, ...outputs } = await evaluateEmoji(model, few, { seed: 2, images, onMessage })
    const both = [...outputs.training, ...outputs.heldOut]
    expect(both.map(({ picture }) => picture)).toEqual([...learned, ...few.heldOut.pictures])
    const captions = both.map(({ picture }) => emojiCaption(picture))
    const seeds = both.map((_, i) => 2_000_000 + i)
    expect(both.map(({ generated }) => generated)).toEqual(
      await model.generateImages(captions, seeds, images),
    )
    const real = both.map(({ picture }) => picture.image)
    expect(both.map(({ written }) => written)).toEqual(await describeImages(model, real))

    expect(metrics.training_caption_accuracy).toBe(1)
    expect(metrics.held_out_caption_accuracy).toBe(0)
    // 0.5 by chance, with a deviation of 0.13 for five pairs; 0.8 here, and 0.3 for the pairs that it does not know.
    expect(metrics.training_retrieval_auc).toBeGreaterThan(0.7)
    expect(metrics.held_out_retrieval_auc).toBeLessThan(metrics.training_retrieval_auc)
    using classifiers = await EmojiClassifiers.train(data.training, { seed: 2 })
    expect(metrics).toEqual(await emojiMetrics(classifiers, few, outputs))
    expect(logged[0]).toBe('Generating 10 emoji, 5 of them of held-out pairs of style and name ...')
  })

  it('refuses a model of other images', async () => {
    using model = modelOf(16, 1)
    await expect(evaluateEmoji(model, data, { seed: 0 })).rejects.toThrow(
      'evaluateEmoji: model must generate images of 32 x 32 of 3 channels, as the pictures are, received 16 x 16 of 1',
    )
  })
})
