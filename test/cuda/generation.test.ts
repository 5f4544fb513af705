import { expect, it } from 'vitest'
import { generate } from '../../lib/generation/generate.js'
import type { GenerationOptions } from '../../lib/generation/options.js'
import { fence, memory } from '../../lib/tensor/device.js'
import { scriptedModel } from '../generation/scripted_model.js'

const model = await scriptedModel()

/** The text, with `|` for an image, and the images' pixels. */
async function outcome(prompt: string, options: GenerationOptions = {}) {
  const result = { text: '', pixels: [] as number[] }
  for await (const event of generate(model, prompt, { steps: 3, maxTokens: 8, ...options })) {
    if (event.type === 'text') result.text += event.text
    if (event.type !== 'image') continue
    result.text += '|'
    result.pixels.push(...event.image.data)
  }
  return { ...result, text: result.text.replaceAll(' ', '') }
}

it('writes the text that the model was made for, with an image', async () => {
  expect(model.network.device).toBe('cuda:0')
  const { text, pixels } = await outcome('a')
  expect(text).toBe('b|cdef')
  expect(pixels.length).toBe(24)
})

it('gives each of several at once what it gives alone', async () => {
  const requests = [
    ['a', { seed: 1 }],
    ['c', { seed: 2 }],
    ['a', { seed: 3, temperature: 1 }],
    ['a', { seed: 4, guidance: 1 }],
  ] as const
  const together = await Promise.all(requests.map(([prompt, options]) => outcome(prompt, options)))
  for (const [i, [prompt, options]] of requests.entries()) {
    const alone = await outcome(prompt, options)
    expect(together[i]!.text).toBe(alone.text)
    for (const [k, pixel] of alone.pixels.entries())
      expect(Math.abs(together[i]!.pixels[k]! - pixel)).toBeLessThanOrEqual(1)
  }
})

it('ends the one that is aborted, with its reason, and no other', async () => {
  await fence()
  const { tensors } = memory()
  const controller = new AbortController()
  const aborted = (async () => {
    for await (const event of generate(model, 'a', { steps: 100, signal: controller.signal }))
      if (event.type === 'text') controller.abort(new Error('enough'))
  })()
  const other = outcome('a')
  await expect(aborted).rejects.toThrow('enough')
  expect((await other).text).toBe('b|cdef')
  await fence()
  expect(memory().tensors).toBe(tensors)
})
