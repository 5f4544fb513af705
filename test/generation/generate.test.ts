import { describe, expect, it } from 'vitest'
import { completeTexts, drawImages } from '../../lib/generation/batch.js'
import type { GenerationEvent } from '../../lib/generation/events.js'
import { generate } from '../../lib/generation/generate.js'
import type { GenerationOptions } from '../../lib/generation/options.js'
import type { Prompt } from '../../lib/generation/prompt.js'
import { fence, memory } from '../../lib/tensor/device.js'
import { testImage, tinyConfig } from '../models/tiny_model.js'
import { scriptedModel } from './scripted_model.js'

const model = await scriptedModel()
const options: GenerationOptions = { steps: 6, maxTokens: 8 }
const image = testImage(4, 4, 1)

async function partsOf(prompt: Prompt, more: GenerationOptions = {}): Promise<GenerationEvent[]> {
  const parts: GenerationEvent[] = []
  for await (const part of generate(model, prompt, { ...options, ...more })) parts.push(part)
  return parts
}

/** Texts joined, other events as their kind, the end as its reason. */
const summary = (parts: readonly GenerationEvent[]) =>
  parts
    .map((part) => {
      if (part.type === 'text') return part.text
      return part.type === 'done' ? ` <${part.reason}>` : ` <${part.type}> `
    })
    .join('')

/** All but the times. */
const timeless = (parts: readonly GenerationEvent[]) =>
  parts.map((part) => (part.type === 'done' ? { ...part, timings: undefined } : part))

const words = (parts: readonly GenerationEvent[]) => summary(parts).split(/\s+/).filter(Boolean).join(' ')

describe('generate', () => {
  it('writes, draws an image of the configured size at BOI, then writes again', async () => {
    const parts = await partsOf('a')
    expect(words(parts)).toBe('b <image-start> <image> c d e f <end>')
    const { image } = parts.find((part) => part.type === 'image')!
    expect(image).toMatchObject({
      height: tinyConfig.image.height,
      width: tinyConfig.image.width,
      channels: 1,
    })
    expect(image.data.length).toBe(24)
  })

  it.each([
    ['nothing', [], '<image-start> <image> c d e f <end>'],
    ['text', 'c', 'd e f <end>'],
    ['an image', [image], 'c d e f <end>'],
    ['text, then an image', ['a', image], 'c d e f <end>'],
    ['images around text', [image, 'g', testImage(2, 8, 2), 'a'], 'b <image-start> <image> c d e f <end>'],
  ] as [string, Prompt, string][])('goes on from %s', async (_what, prompt, expected) => {
    expect(words(await partsOf(prompt))).toBe(expected)
  })

  it('writes neither EOI nor BOS, and no BOI beyond the images it may draw', async () => {
    // After d the model wants EOI, then BOS, then e; after b BOI, then e.
    expect(words(await partsOf('d'))).toBe('e f <end>')
    expect(words(await partsOf('b', { maxImages: 0 }))).toBe('e f <end>')
    expect(words(await partsOf('a', { maxTokens: 3 }))).toBe('b <image-start> <image> c d <maxTokens>')
  })

  it('gives the same for the same seed, another image for another', async () => {
    const given = async (more: GenerationOptions) => timeless(await partsOf('a', more))
    const drawn = await given({ seed: 3 })
    expect(await given({ seed: 3 })).toEqual(drawn)
    expect(await given({ seed: 4 })).not.toEqual(drawn)
    expect(await given({ seed: 3, guidance: 1 })).not.toEqual(drawn)
    const warm = { seed: 3, temperature: 20, topK: 5 }
    expect(await given(warm)).toEqual(await given(warm))
  })

  it('shows the image in the making', async () => {
    const parts = await partsOf('b', { previewEvery: 2 })
    expect(words(parts)).toBe('<image-start> <preview> <preview> <image> c d e f <end>')
    expect(parts.filter((part) => part.type === 'preview').map(({ step, steps }) => [step, steps])).toEqual([
      [2, 6],
      [4, 6],
    ])
  })

  it('begins with an image where it is told to', async () => {
    expect(words(await partsOf('c', { startWith: 'image', maxTokens: 2 }))).toBe(
      '<image-start> <image> c d <maxTokens>',
    )
    expect(words(await partsOf('c', { startWith: 'image', maxTokens: 0 }))).toBe(
      '<image-start> <image> <maxImages>',
    )
  })

  it('ends at a stop string, across the borders of tokens, and at a stop token', async () => {
    const stopped = await partsOf('c', { stop: ['x', 'e f'] })
    expect(words(stopped)).toBe('d <stop>')
    expect(stopped.at(-1)).toMatchObject({ stop: 'e f' })
    // What could have become a stop string is given after all.
    expect(words(await partsOf('c', { stop: 'e g' }))).toBe('d e f <end>')
    const token = await partsOf('c', { stopTokens: [9] })
    expect(words(token)).toBe('d <stop>')
    expect(token.at(-1)).toMatchObject({ stop: 9 })
  })

  it('counts what it used', async () => {
    const done = (await partsOf(['a', image, 'a'])).at(-1)!
    expect(done).toMatchObject({
      reason: 'end',
      usage: { promptTokens: 2, promptImages: 1, textTokens: 5, images: 1, denoisingSteps: 6 },
    })
    const { total, ...phases } = (done as Extract<GenerationEvent, { type: 'done' }>).timings
    expect(Object.values(phases).every((time) => time >= 0)).toBe(true)
    expect(total).toBeCloseTo(Object.values(phases).reduce((sum, time) => sum + time))
  })

  it('names what is wrong with a prompt or an option', async () => {
    await expect(partsOf([testImage(3, 4, 1)])).rejects.toThrow('multiples of the patch size 2')
    const rgb = { ...image, channels: 3 as const, data: new Uint8Array(48) }
    await expect(partsOf(['a', rgb])).rejects.toThrow('prompt[1]: an image of 3 channels, the model reads 1')
    await expect(partsOf('a', { step: 3 } as object)).rejects.toThrow(/step: unknown key.*steps/)
  })

  describe('frees all it made', () => {
    const tensors = async () => {
      await fence()
      return memory().tensors
    }
    const kinds = ['text', 'preview', 'image'] as const

    it('at the end', async () => {
      const before = await tensors()
      await partsOf(['a', image, 'b'], { previewEvery: 1 })
      expect(await tensors()).toBe(before)
    })

    it.each(kinds)('when its consumer leaves at a part of kind %s', async (kind) => {
      const before = await tensors()
      let seen = 0
      for await (const { type } of generate(model, 'a', { ...options, previewEvery: 1 }))
        if (type === kind && ++seen === 1) break
      expect(seen).toBe(1)
      expect(await tensors()).toBe(before)
    })

    it.each(kinds)('when the signal aborts at a part of kind %s, and throws its reason', async (kind) => {
      const before = await tensors()
      const controller = new AbortController()
      const reason = new Error('enough')
      const consume = async () => {
        const { signal } = controller
        for await (const { type } of generate(model, 'a', { ...options, previewEvery: 1, signal }))
          if (type === kind) controller.abort(reason)
      }
      await expect(consume()).rejects.toBe(reason)
      expect(await tensors()).toBe(before)
    })

    it('when the signal aborts while the device works', async () => {
      const before = await tensors()
      const signal = AbortSignal.timeout(30)
      const started = performance.now()
      await expect(partsOf('b', { steps: 1000, signal })).rejects.toThrow('aborted due to timeout')
      expect(performance.now() - started).toBeLessThan(1000)
      expect(await tensors()).toBe(before)
    })

    it('when the prompt is refused, or the signal was aborted before', async () => {
      const before = await tensors()
      await expect(partsOf([testImage(3, 4, 1)])).rejects.toThrow(RangeError)
      await expect(partsOf('a', { signal: AbortSignal.abort() })).rejects.toThrow('aborted')
      expect(await tensors()).toBe(before)
    })
  })
})

describe('batches', () => {
  const prompts: Prompt[] = ['a', ['c d', image], [testImage(2, 8, 2), 'b'], 'g']

  it.each([1, 3])('draw each image as alone (guidance %i)', async (guidance) => {
    const seeds = [11, 12, 13, 14]
    const drawing = { steps: 6, guidance }
    const before = memory().tensors
    const together = await drawImages(model, prompts, seeds, drawing)
    for (const [i, prompt] of prompts.entries()) {
      const [alone] = await drawImages(model, [prompt], [seeds[i]!], drawing)
      expect(alone!.data.length).toBe(24)
      // A byte may fall to either side of a rounding.
      alone!.data.forEach((value, p) =>
        expect(Math.abs(value - together[i]!.data[p]!)).toBeLessThanOrEqual(1),
      )
    }
    expect(new Set(together.map(({ data }) => data.join())).size).toBe(4)
    expect(memory().tensors).toBe(before)
  })

  it('complete each text as alone, to its own end', async () => {
    const before = memory().tensors
    const together = await completeTexts(model, prompts, 8)
    const alone = await Promise.all(prompts.map((prompt) => completeTexts(model, [prompt], 8)))
    expect(alone.flat()).toEqual(together)
    expect(together.slice(0, 3)).toEqual(['b e f', 'c d e f', 'e f'])
    expect(await completeTexts(model, ['a', 'd'], 2)).toEqual(['b e', 'e f'])
    expect(memory().tensors).toBe(before)
  })

  it('stop at the signal and free all', async () => {
    const before = memory().tensors
    const signal = AbortSignal.timeout(30)
    const drawing = drawImages(model, prompts, [1, 2, 3, 4], { steps: 1000 }, signal)
    await expect(drawing).rejects.toThrow('aborted due to timeout')
    expect(memory().tensors).toBe(before)
  })
})
