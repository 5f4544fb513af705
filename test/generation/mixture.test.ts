import { describe, expect, it } from 'vitest'
import type { Image } from '../../lib/image/image.js'
import { ddim } from '../../lib/diffusion/ddim.js'
import { objectiveSchema } from '../../lib/diffusion/objective.js'
import { cosineSchedule, type NoiseSchedule } from '../../lib/diffusion/schedule.js'
import { completeTexts } from '../../lib/generation/batch.js'
import { generateImages } from '../../lib/generation/generate_images.js'
import type { GenerationEvent } from '../../lib/generation/events.js'
import { generate } from '../../lib/generation/generate.js'
import type { GenerationOptions } from '../../lib/generation/options.js'
import type { Prompt } from '../../lib/generation/prompt.js'
import type { ModelParts } from '../../lib/models/transfusion/io/folder.js'
import { perturbedNetwork, testImage, tinyConfig, tinyUNet } from '../models/transfusion/tiny_model.js'
import { referenceGeneration } from './reference_generation.js'
import { tokenizer } from './scripted_model.js'

const objectives = {
  ddpm: objectiveSchema.parse({ prediction: 'v', weighting: 'v' }),
  flow: objectiveSchema.parse({ process: 'flow', prediction: 'velocity', weighting: 'velocity' }),
}

const networks = {
  text: await perturbedNetwork(),
  // Positions as vectors, and the timestep within the patches.
  sincos: await perturbedNetwork(
    { ...tinyConfig, image: { ...tinyConfig.image, positions: 'sincos', timestep: 'before' } },
    'f32',
    2,
  ),
  // Images through a feed-forward, or all weights, of their own.
  feedForward: await perturbedNetwork(
    { ...tinyConfig, image: { ...tinyConfig.image, weights: 'feed-forward' } },
    'f32',
    4,
  ),
  imageWeights: await perturbedNetwork(
    { ...tinyConfig, image: { ...tinyConfig.image, weights: 'all' } },
    'f32',
    5,
  ),
  unet: await perturbedNetwork({ ...tinyConfig, image: { ...tinyConfig.image, unet: tinyUNet } }, 'f32', 3),
}

/** A user's own: the cosine schedule with half the noise. */
const halfNoise = (): NoiseSchedule => {
  const { steps, coefficients } = cosineSchedule()
  return {
    steps,
    continuous: false,
    coefficients(t) {
      const { alpha, sigma } = coefficients(t)
      const norm = Math.hypot(2 * alpha, sigma)
      return { alpha: (2 * alpha) / norm, sigma: sigma / norm }
    },
  }
}

type Case = [prompt: Prompt, options: GenerationOptions]

/** Different in all that may differ. */
const cases = (samplers: readonly GenerationOptions['sampler'][]): Case[] =>
  [
    ['a', {}],
    ['', { startWith: 'image', guidance: 1 }],
    [['c d', testImage(4, 4, 1), 'e'], { startWith: 'image', steps: 7, maxImages: 2 }],
    [[testImage(2, 8, 2), 'b b b b b b b b b b b b'], { maxTokens: 30, maxImages: 0 }],
    [[testImage(4, 6, 3), testImage(8, 2, 4)], { startWith: 'image', clip: false, steps: 5 }],
    ['g f e d c b a', { startWith: 'image', guidanceInterval: [0.2, 0.7], steps: 12, guidance: 2 }],
    ['d', { startWith: 'image', guidance: 1, clip: false, steps: 1, maxTokens: 3 }],
    ['e a', { maxTokens: 40, maxImages: 3 }],
  ].map(([prompt, options], i) => [
    prompt as Prompt,
    {
      steps: 4,
      maxTokens: 10,
      seed: 100 + i,
      sampler: samplers[i % samplers.length],
      ...(options as GenerationOptions),
    },
  ])

async function resultOf(events: AsyncIterable<GenerationEvent>): Promise<{ text: string; images: Image[] }> {
  const result = { text: '', images: [] as Image[] }
  for await (const event of events) {
    if (event.type === 'text') result.text += event.text
    if (event.type === 'image') {
      result.images.push(event.image)
      // Text before an image and behind it are two.
      result.text += ' '
    }
  }
  return { ...result, text: result.text.replace(/ +/g, ' ').trim() }
}

/** To rounding: a byte may fall to either side of one. */
function expectAlike(image: Image | undefined, expected: Image): void {
  expect(image).toMatchObject({ width: expected.width, height: expected.height })
  const differences = expected.data.map((value, i) => Math.abs(value - image!.data[i]!))
  expect(Math.max(...differences)).toBeLessThanOrEqual(1)
}

/** Runs all, each begun a few calls of the network after the one before it, or when those before have ended. */
async function staggered<R>(
  { network }: ModelParts,
  calls: number,
  starts: readonly (() => Promise<R>)[],
): Promise<R[]> {
  const running: Promise<R>[] = []
  const startNext = () => {
    const start = starts[running.length]
    if (start) running.push(start())
  }
  const forward = network.forward.bind(network)
  let called = 0
  network.forward = (...args) => {
    if (++called % calls === 0) startNext()
    return forward(...args)
  }
  try {
    while (running.length < starts.length) {
      startNext()
      await Promise.all(running)
    }
    return await Promise.all(running)
  } finally {
    delete (network as Partial<typeof network>).forward
  }
}

describe.each([
  ['text', 'ddpm', ['ddpm', 'ddim', 'dpmpp']],
  ['sincos', 'flow', ['euler', 'heun']],
  ['unet', 'ddpm', ['dpmpp', 'ddpm']],
  ['feedForward', 'flow', ['euler']],
  ['imageWeights', 'ddpm', ['ddim', 'dpmpp']],
  ['text', 'ddpm', [ddim(halfNoise()), 'ddpm', ddim(halfNoise(), { eta: 0.5 })]],
] as const)('generations of the model "%s" by %s', (name, process, samplers) => {
  const model: ModelParts = { network: networks[name], tokenizer, objective: objectives[process] }
  const given = cases(samplers)

  it('give together, whenever they come, what the loop of the paper gives alone without a cache', async () => {
    const expected = []
    for (const [prompt, options] of given) expected.push(await referenceGeneration(model, prompt, options))
    expect(expected.flatMap(({ images }) => images).length).toBeGreaterThanOrEqual(5)
    expect(expected.flatMap(({ ids }) => ids).length).toBeGreaterThan(20)
    for (const calls of [1, 3]) {
      const together = await staggered(
        model,
        calls,
        given.map(
          ([prompt, options]) =>
            () =>
              resultOf(generate(model, prompt, options)),
        ),
      )
      for (const [i, { ids, images }] of expected.entries()) {
        expect(together[i]!.text).toBe(tokenizer.decode(ids, { skipSpecial: true }).trim())
        expect(together[i]!.images.length).toBe(images.length)
        images.forEach((image, n) => expectAlike(together[i]!.images[n], image))
      }
    }
  })

  it('sample tokens from their own seeds, whatever is sampled beside them', async () => {
    const options = { temperature: 1.5, topK: 8, topP: 0.95, minP: 0.01, maxTokens: 30, maxImages: 0 }
    const prompts = ['a', 'b c', ['d', testImage(4, 4, 1)], 'a'] as Prompt[]
    const one = (prompt: Prompt, i: number) =>
      resultOf(generate(model, prompt, { ...options, seed: i, temperature: 1 + i / 4 }))
    const together = await Promise.all(prompts.map(one))
    for (const [i, prompt] of prompts.entries()) expect(await one(prompt, i)).toEqual(together[i])
    expect(new Set(together.map(({ text }) => text)).size).toBe(4)
  })

  it('are unharmed by batches beside them', async () => {
    const [prompt, options] = given[2]!
    const alone = await resultOf(generate(model, prompt, options))
    const prompts: Prompt[] = ['a', 'b', 'c d', [testImage(4, 4, 3)]]
    const seeds = [1, 2, 3, 4]
    const images = await generateImages(model, prompts, seeds, { steps: 6 })
    const texts = await completeTexts(model, prompts, 7)
    const [beside, imagesBeside, textsBeside] = await Promise.all([
      resultOf(generate(model, prompt, options)),
      generateImages(model, prompts, seeds, { steps: 6 }),
      completeTexts(model, prompts, 7),
    ])
    expect(beside.text).toBe(alone.text)
    alone.images.forEach((image, i) => expectAlike(beside.images[i], image))
    images.forEach((image, i) => expectAlike(imagesBeside[i], image))
    expect(textsBeside).toEqual(texts)
  })
})
