import { describe, expect, it } from 'vitest'
import type { GenerationEvent } from '../../lib/generation/events.js'
import { generate } from '../../lib/generation/generate.js'
import type { GenerationOptions } from '../../lib/generation/options.js'
import type { Prompt } from '../../lib/generation/prompt.js'
import { fence, memory } from '../../lib/tensor/device.js'
import { testImage } from '../models/tiny_model.js'
import { scriptedModel } from './scripted_model.js'

const model = await scriptedModel()
const image = testImage(4, 4, 1)

async function eventsOf(prompt: Prompt, options: GenerationOptions): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = []
  for await (const event of generate(model, prompt, options)) events.push(event)
  return events
}

/** The message of what a promise rejects with. */
const failureOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no failure',
    (error: Error) => error.message,
  )

/** Fails unless both gave the same: texts exactly, images to a byte's rounding. */
function expectSame(together: readonly GenerationEvent[], alone: readonly GenerationEvent[]): void {
  const plain = (events: readonly GenerationEvent[]) =>
    events.map((event) => ({
      ...event,
      ...('image' in event && { image: undefined }),
      ...(event.type === 'done' && { timings: undefined }),
    }))
  expect(plain(together)).toEqual(plain(alone))
  const pixels = (events: readonly GenerationEvent[]) =>
    events.flatMap((event) => ('image' in event ? [...event.image.data] : []))
  const expected = pixels(alone)
  pixels(together).forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1))
}

/** Prompts of different lengths; text, images and both; samplers, steps and guidance of each their own. */
const requests: [Prompt, GenerationOptions][] = [
  ['a', { seed: 1, steps: 9, previewEvery: 3 }],
  ['c', { seed: 2, temperature: 5, maxTokens: 12, maxImages: 0 }],
  [['g', image, testImage(2, 8, 2), 'a'], { seed: 3, steps: 4, sampler: 'ddim', guidance: 1 }],
  ['g g g g g g', { seed: 4, steps: 7, sampler: 'dpmpp', startWith: 'image', guidanceInterval: [0.2, 0.8] }],
  [[image], { seed: 5, steps: 5, maxTokens: 2 }],
  ['b', { seed: 6, steps: 6, clip: false }],
]

async function alone(): Promise<GenerationEvent[][]> {
  const all: GenerationEvent[][] = []
  for (const [prompt, options] of requests) all.push(await eventsOf(prompt, options))
  return all
}

describe('generations of one model at once', () => {
  it('give what each gives alone', async () => {
    const together = await Promise.all(requests.map(([prompt, options]) => eventsOf(prompt, options)))
    ;(await alone()).forEach((events, i) => expectSame(together[i]!, events))
  })

  it('give the same wherever the others stand when they begin', async () => {
    const expected = await alone()
    const running = []
    for (const [prompt, options] of requests) {
      running.push(eventsOf(prompt, options))
      for (let turn = 0; turn < 3; turn++) await fence()
    }
    ;(await Promise.all(running)).forEach((events, i) => expectSame(events, expected[i]!))
  })

  it('go on where one is aborted, one is left and one is refused; nothing is held', async () => {
    const [prompt, options] = requests[0]!
    const expected = await eventsOf(prompt, options)
    await fence()
    const before = memory().tensors
    const controller = new AbortController()
    const aborted = failureOf(eventsOf('b', { steps: 1000, signal: controller.signal }))
    const left = (async () => {
      for await (const { type } of generate(model, 'b', { steps: 1000, previewEvery: 1 }))
        if (type === 'preview') break
      controller.abort(new Error('enough'))
    })()
    const refused = failureOf(eventsOf([testImage(3, 4, 1)], {}))
    const going = eventsOf(prompt, options)
    expect(await aborted).toMatch('enough')
    expect(await refused).toMatch('multiples of the patch size 2')
    await left
    expectSame(await going, expected)
    await fence()
    expect(memory().tensors).toBe(before)
  })

  it('let a short one end while a long one is under way', async () => {
    const ends: string[] = []
    const controller = new AbortController()
    const running = eventsOf('b', { steps: 1000, signal: controller.signal })
    const long = failureOf(running.finally(() => ends.push('long')))
    await eventsOf('c', { maxTokens: 4 })
    ends.push('short')
    controller.abort(new Error('enough'))
    expect(await long).toMatch('enough')
    expect(ends).toEqual(['short', 'long'])
  })

  it('do not wait for one whose consumer is slow, which misses nothing', async () => {
    const slow = generate(model, 'a', { steps: 40, previewEvery: 1 })
    const first = await slow.next()
    expect(first.value).toMatchObject({ type: 'text' })
    expectSame(await eventsOf('b', { steps: 60 }), await eventsOf('b', { steps: 60 }))
    const rest: GenerationEvent[] = []
    for await (const event of slow) rest.push(event)
    expect(rest.filter(({ type }) => type === 'preview').length).toBe(39)
    expect(rest.at(-1)).toMatchObject({ type: 'done', reason: 'end' })
  })

  it('of two models do not meddle with each other', async () => {
    const other = await scriptedModel()
    const events: GenerationEvent[] = []
    const both = await Promise.all([
      eventsOf('a', { seed: 9, steps: 5 }),
      (async () => {
        for await (const event of generate(other, 'a', { seed: 9, steps: 5 })) events.push(event)
      })(),
    ])
    expectSame(events, both[0])
    other.network[Symbol.dispose]()
  })
})
