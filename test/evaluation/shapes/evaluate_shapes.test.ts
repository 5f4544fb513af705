import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runEvaluate } from '../../../lib/cli/evaluate.js'
import { shapesDocument } from '../../../lib/datasets/shapes/documents.js'
import { promptTags } from '../../../lib/datasets/shapes/prompts.js'
import { evaluate } from '../../../lib/evaluation/evaluate.js'
import { evaluateShapes } from '../../../lib/evaluation/shapes/evaluate_shapes.js'
import { meanOfShares, shareMetric } from '../../../lib/evaluation/tasks/evaluation_result.js'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import { Transfusion } from '../../../lib/transfusion.js'
import { saveClassModel } from '../../cli/class_folder.js'
import { temporaryFolder } from '../../temporary_folder.js'

const texts = Array.from({ length: 300 }, (_, i) =>
  shapesDocument({ size: 32, seed: 0, tasks: { caption: 1, question: 1, edit: 0 } }, i).parts.flatMap(
    (part) => (part.type === 'text' ? [part.text] : []),
  ),
).flat()

/** A model with random weights for pictures of shapes. */
const shapesModel = () =>
  Transfusion.create(
    {
      layers: 1,
      channels: 32,
      heads: 2,
      feedForward: 48,
      image: { channels: 3, patch: 8, height: 32, width: 32 },
    },
    makeCaptionTokenizer(texts),
    { seed: 3 },
  )

describe('evaluateShapes', () => {
  it('judges a picture for each prompt and an answer for each question', async () => {
    using model = shapesModel()
    const options = { seed: 1, perKind: 2, questionsPerKind: 3, combinations: 'held-out' } as const
    const { prompts, answers } = await evaluateShapes(model, { ...options, images: { steps: 1 } })
    expect(prompts.map(({ tag }) => tag)).toEqual(promptTags.flatMap((tag) => [tag, tag]))
    // Noise shows no shape: every picture is wrong, and each verdict says why.
    for (const { correct, reasons } of prompts) expect([correct, reasons.length > 0]).toEqual([false, true])
    expect(answers.length).toBe(9)
    for (const { correct, written, answer } of answers) expect(correct).toBe(written === answer)
    const other = await evaluateShapes(model, {
      ...options,
      combinations: 'trained',
      questionsPerKind: 0,
      perKind: 0,
    })
    expect(other).toEqual({ prompts: [], answers: [] })
  })

  it('is a task of transfusion eval', async () => {
    const folder = await temporaryFolder()
    using model = shapesModel()
    await model.save(join(folder, 'model'))
    await runEvaluate(join(folder, 'model'), undefined, { data: 'shapes', perClass: 2, steps: 1 })
    const { results } = JSON.parse(await readFile(join(folder, 'eval.json'), 'utf8'))
    expect(results).toMatchObject([
      {
        task: 'shapes',
        settings: { combinations: 'held-out', perKind: 2, images: { steps: 1, guidance: 1.5 } },
      },
    ])
    expect(Object.keys(results[0].metrics)).toEqual([
      ...promptTags,
      'overall',
      'count_answers',
      'colour_answers',
      'shape_answers',
    ])
    expect(results[0].metrics.overall).toMatchObject({ value: 0, count: 12 })
  })

  it('refuses a model of other pictures before anything is drawn', async () => {
    const folder = await temporaryFolder()
    await saveClassModel(folder)
    using model = await Transfusion.load(folder)
    await expect(evaluate(model, { tasks: [{ type: 'shapes' }] })).rejects.toThrow(
      /^shapes: the model must generate square pictures in colour from 32 pixels, it generates 8 x 8 in grayscale$/,
    )
  })
})

describe('meanOfShares', () => {
  it('has the mean and its standard error', () => {
    const mean = meanOfShares([shareMetric(0.5, 101), shareMetric(0.2, 26)])
    expect(mean.value).toBeCloseTo(0.35, 12)
    expect(mean.standard_error).toBeCloseTo(Math.sqrt(0.25 / 100 + 0.16 / 25) / 2, 12)
    expect(mean.count).toBe(127)
  })
})
