import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { completeTexts } from '../../lib/generation/batch.js'
import { generateImages } from '../../lib/generation/generate_images.js'
import type { GenerationEvent } from '../../lib/generation/events.js'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import { generate } from '../../lib/generation/generate.js'
import type { GenerationOptions } from '../../lib/generation/options.js'
import { cosineSchedule } from '../../lib/diffusion/schedule.js'
import type { Prompt } from '../../lib/generation/prompt.js'
import { fence, memory } from '../../lib/tensor/device.js'
import { testImage, tinyConfig } from '../models/transfusion/tiny_model.js'
import { scriptedModel, tokenizer } from './scripted_model.js'

const model = await scriptedModel()
const options: GenerationOptions = { steps: 6, maxTokens: 8 }
const image = testImage(4, 4, 1)

async function partsOf(prompt: Prompt, more: GenerationOptions = {}): Promise<GenerationEvent[]> {
  const parts: GenerationEvent[] = []
  for await (const part of generate(model, prompt, { ...options, ...more })) parts.push(part)
  return parts
}

/** Texts joined, an image as its kind; without an image's start and the end. */
const summary = (parts: readonly GenerationEvent[]) =>
  parts
    .map((part) => {
      if (part.type === 'text') return part.text
      return part.type === 'image' || part.type === 'preview' ? ` <${part.type}> ` : ''
    })
    .join('')

const words = (parts: readonly GenerationEvent[]) => summary(parts).split(/\s+/).filter(Boolean).join(' ')

const doneOf = (parts: readonly GenerationEvent[]) => {
  const done = parts.at(-1)!
  if (done.type !== 'done') throw new Error(`the last event is ${done.type}`)
  return done
}

/** Without times. */
const timeless = (parts: readonly GenerationEvent[]) =>
  parts.map((part) => (part.type === 'done' ? { ...part, timings: undefined } : part))

/** A signal that aborts while the network's n-th call runs, and the calls that are made nevertheless. */
function abortAfterCalls(n: number): { signal: AbortSignal; calls: { afterAbort: number } } {
  const controller = new AbortController()
  const { signal } = controller
  const calls = { beforeAbort: 0, afterAbort: 0 }
  const forward = model.network.forward.bind(model.network)
  const spy = vi.spyOn(model.network, 'forward').mockImplementation((...args) => {
    if (signal.aborted) calls.afterAbort++
    else if (++calls.beforeAbort === n) queueMicrotask(() => controller.abort(new Error('enough')))
    return forward(...args)
  })
  onTestFinished(() => spy.mockRestore())
  return { signal, calls }
}

describe('generate', () => {
  it('writes text, generates an image of the configured size at BOI, then writes again', async () => {
    const parts = await partsOf('a')
    expect(words(parts)).toBe('b <image> c d e f')
    const { image } = parts.find((part) => part.type === 'image')!
    expect(image).toMatchObject({
      height: tinyConfig.image.height,
      width: tinyConfig.image.width,
      channels: 1,
    })
    expect(image.data.length).toBe(24)
  })

  it.each([
    ['nothing', [], '<image> c d e f'],
    ['text', 'c', 'd e f'],
    ['an image', [image], 'c d e f'],
    ['text, then an image', ['a', image], 'c d e f'],
    ['images around text', [image, 'g', testImage(2, 8, 2), 'a'], 'b <image> c d e f'],
  ] as [string, Prompt, string][])('goes on from %s', async (_what, prompt, expected) => {
    expect(words(await partsOf(prompt))).toBe(expected)
  })

  it('writes neither EOI nor BOS, and no BOI beyond maxImages', async () => {
    // After d the model wants EOI, then BOS, then e; after b BOI, then e.
    expect(words(await partsOf('d'))).toBe('e f')
    expect(words(await partsOf('b', { maxImages: 0 }))).toBe('e f')
    expect(words(await partsOf('a', { maxTokens: 3 }))).toBe('b <image> c d')
  })

  it('gives the same for the same seed, another image for another', async () => {
    const given = async (more: GenerationOptions) => timeless(await partsOf('a', more))
    const first = await given({ seed: 3 })
    expect(await given({ seed: 3 })).toEqual(first)
    expect(await given({ seed: 4 })).not.toEqual(first)
    expect(await given({ seed: 3, guidance: 1 })).not.toEqual(first)
    const warm = { seed: 3, temperature: 20, topK: 5 }
    expect(await given(warm)).toEqual(await given(warm))
    // Of all tokens only the likeliest is as likely as that.
    expect(await given({ seed: 3, temperature: 20, minP: 1 })).toEqual(first)
  })

  it('counts the words of its prompt that the tokenizer does not know', async () => {
    const parts = await partsOf(['a zebra', image, 'quagga b'])
    expect(doneOf(parts).usage).toMatchObject({ promptTokens: 4, unknownTokens: 2, promptImages: 1 })
  })

  it('never gives an id that no token has, whatever the temperature', async () => {
    const [json] = tokenizer.definition
    const { e, ...vocab } = json.model.vocab as Record<string, number>
    const gapped = new JsonTokenizer({ ...json, model: { ...json.model, vocab } })
    expect(gapped.idsWithoutToken).toEqual([e])
    // Alone, d is followed by e.
    for (const settings of [{}, { temperature: 1000, maxTokens: 100 }, { temperature: 1000, maxImages: 1 }]) {
      const parts = { ...model, tokenizer: gapped }
      const texts: string[] = []
      for await (const part of generate(parts, 'd', { ...options, maxImages: 0, seed: 5, ...settings }))
        if (part.type === 'text') texts.push(part.text)
      expect(texts.join('')).toMatch(/^[abcdfg< unk>]+$/)
    }
    const [text] = await completeTexts({ ...model, tokenizer: gapped }, ['d'], 8)
    expect(text).not.toContain('e')
  })

  it('tells when an image begins, and at the end why, how much and how long', async () => {
    // A clock that advances by one whenever it is read, so that the times are counts.
    let reads = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => ++reads)
    onTestFinished(() => clock.mockRestore())
    const parts = await partsOf(['a', image, 'b'], { previewEvery: 3 })
    expect(parts.map(({ type }) => type)).toEqual(
      'image-start preview image text text text text done'.split(' '),
    )
    expect(parts[0]).toEqual({ type: 'image-start', index: 0, width: 6, height: 4, steps: 6 })
    const { reason, usage, timings } = doneOf(parts)
    expect(reason).toBe('end')
    expect(usage).toEqual({
      promptTokens: 2,
      imageTokens: 0,
      unknownTokens: 0,
      promptImages: 1,
      textTokens: 4,
      images: 1,
      denoisingSteps: 6,
    })
    const { total, ...phases } = timings
    expect(Object.keys(phases)).toEqual(['queued', 'prompt', 'text', 'images'])
    expect(Math.min(...Object.values(phases))).toBeGreaterThan(0)
    expect(total).toBe(Object.values(phases).reduce((sum, time) => sum + time))
    expect(total).toBeLessThan(reads)
  })

  it.each([
    ['a', {}, 'b <image> c d e f', 'end'],
    ['a', { maxTokens: 3 }, 'b <image> c d', 'maxTokens'],
    // After c the model would go on writing; after b it begins an image, though no more text may come.
    ['c', { maxTokens: 1 }, 'd', 'maxTokens'],
    ['a', { maxTokens: 1 }, 'b <image>', 'maxImages'],
    ['c', { maxTokens: 1, maxImages: 0 }, 'd', 'maxTokens'],
    ['b', { maxTokens: 0 }, '<image>', 'maxImages'],
    ['c', { maxTokens: 0 }, '', 'maxTokens'],
    ['b', { maxTokens: 0, maxImages: 2 }, '<image>', 'maxTokens'],
    ['e', { maxTokens: 1 }, 'f', 'end'],
  ] as [string, GenerationOptions, string, string][])(
    'goes on from %s with %o and ends for the right reason',
    async (prompt, more, expected, reason) => {
      const parts = await partsOf(prompt, more)
      expect(words(parts)).toBe(expected)
      expect(doneOf(parts).reason).toBe(reason)
    },
  )

  it('stops at a string, wherever token borders lie, and does not give it', async () => {
    const parts = await partsOf('a', { stop: ['never', 'd e'] })
    expect(words(parts)).toBe('b <image> c')
    expect(doneOf(parts)).toMatchObject({ reason: 'stop', stop: 'd e', usage: { textTokens: 4 } })
    const single = await partsOf('c', { stop: 'e' })
    expect(words(single)).toBe('d')
    // What is held back is given when an image begins, or the text ends otherwise.
    expect(words(await partsOf('a', { stop: 'b c' }))).toBe('b <image> c d e f')
    expect(words(await partsOf('c', { stop: 'f g' }))).toBe('d e f')
  })

  it('stops at a token, and does not give its text', async () => {
    const parts = await partsOf('a', { stopTokens: [9] })
    expect(words(parts)).toBe('b <image> c d')
    expect(doneOf(parts)).toMatchObject({ reason: 'stop', stop: 9 })
  })

  it('begins with an image where startWith says so', async () => {
    const parts = await partsOf('a', { startWith: 'image' })
    expect(words(parts)).toBe('<image> c d e f')
    expect(words(await partsOf('', { startWith: 'image', maxTokens: 0 }))).toBe('<image>')
    // The same image as where the model decides so.
    const [forced, chosen] = await Promise.all([
      partsOf('b', { startWith: 'image', seed: 4 }),
      partsOf('b', { seed: 4 }),
    ])
    const imageOf = (parts: readonly GenerationEvent[]) => parts.find(({ type }) => type === 'image')
    expect(imageOf(forced)).toEqual(imageOf(chosen))
  })

  it('shows the image in the making', async () => {
    const parts = await partsOf('b', { previewEvery: 2 })
    expect(words(parts)).toBe('<preview> <preview> <image> c d e f')
    expect(parts.filter((part) => part.type === 'preview').map(({ step, steps }) => [step, steps])).toEqual([
      [2, 6],
      [4, 6],
    ])
  })

  it('names what is wrong with a prompt or an option', async () => {
    await expect(partsOf([testImage(3, 4, 1)])).rejects.toThrow('multiples of the patch size 2')
    const rgb = { ...image, channels: 3 as const, data: new Uint8Array(48) }
    await expect(partsOf(['a', rgb])).rejects.toThrow('prompt[1]: an image must have 1 channels')
    await expect(partsOf('a', { step: 3 } as object)).rejects.toThrow(/step: unknown key.*steps/)
    const short = { ...image, data: new Uint8Array(15) }
    await expect(partsOf([short])).rejects.toThrow(
      "prompt[0]: an image's data must be 16 values, for 4 x 4 pixels of 1 channels, received 15",
    )
    await expect(partsOf([7] as never)).rejects.toThrow('prompt[0] must be text or an image')
    await expect(partsOf(undefined as never)).rejects.toThrow('prompt must be text, or a list')
    await expect(partsOf('a', { stop: [''] })).rejects.toThrow('stop[0]: expected text')
    await expect(partsOf('a', { stopTokens: [12] })).rejects.toThrow(
      'options.stopTokens must be ids below 12',
    )
    await expect(partsOf('a', { minP: 2 })).rejects.toThrow('minP')
    await expect(partsOf('a', { startWith: 'image', maxImages: 0 })).rejects.toThrow('maxImages: expected')
    await expect(partsOf('a', { maxTokens: 0, maxImages: 0 })).rejects.toThrow('maxTokens: expected')
    await expect(partsOf('a', { sampler: 'euler' })).rejects.toThrow(
      'for a model that was trained with ddpm, received euler',
    )
    for (const sampler of ['dimm', {}, { steps: () => [] }, null])
      await expect(partsOf('a', { sampler } as never)).rejects.toThrow(
        /sampler: expected .* or a Sampler: an object/,
      )
    await expect(partsOf('a', { signal: 5 } as never)).rejects.toThrow(
      'generate: options.signal must be an AbortSignal, or left out, received 5',
    )
    await expect(generate(model, 'a', null as never).next()).rejects.toThrow(
      'generate: options must be an object',
    )
    const schedule = cosineSchedule()
    await expect(partsOf('a', { sampler: { schedule, steps: () => [] } })).rejects.toThrow(
      'steps() must give one step or more',
    )
  })

  describe('frees all it made', () => {
    const tensors = async () => {
      await fence()
      return memory().tensors
    }
    const kinds = ['text', 'image-start', 'preview', 'image', 'done'] as const

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

    it.each(kinds.filter((kind) => kind !== 'done'))(
      'when the signal aborts at a part of kind %s, and throws its reason',
      async (kind) => {
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
      },
    )

    it('when the signal aborts while the device works', async () => {
      const before = await tensors()
      const { signal, calls } = abortAfterCalls(5)
      await expect(partsOf('b', { steps: 1000, signal })).rejects.toThrow('enough')
      expect(calls.afterAbort).toBe(0)
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

  it.each([1, 3])('generate each image as alone (guidance %i)', async (guidance) => {
    const seeds = [11, 12, 13, 14]
    const options = { steps: 6, guidance }
    const before = memory().tensors
    const onImage = vi.fn<() => void>()
    const together = await generateImages(model, prompts, seeds, options, { onImage })
    expect(onImage).toHaveBeenCalledTimes(prompts.length)
    for (const [i, prompt] of prompts.entries()) {
      const [alone] = await generateImages(model, [prompt], [seeds[i]!], options)
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
    const { signal, calls } = abortAfterCalls(5)
    const generating = generateImages(model, prompts, [1, 2, 3, 4], { steps: 1000 }, { signal })
    await expect(generating).rejects.toThrow('enough')
    expect(calls.afterAbort).toBe(0)
    expect(memory().tensors).toBe(before)
  })
})
