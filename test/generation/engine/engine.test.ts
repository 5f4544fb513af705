import { execFile } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { objectiveSchema } from '../../../lib/diffusion/objective.js'
import { generateImages } from '../../../lib/generation/generate_images.js'
import { Engine, engineOf } from '../../../lib/generation/engine/engine.js'
import type { GenerationEvent } from '../../../lib/generation/events.js'
import { generate, generationRequest } from '../../../lib/generation/generate.js'
import type { GenerationOptions } from '../../../lib/generation/options.js'
import type { Prompt } from '../../../lib/generation/prompt.js'
import { fence, memory, setMemoryLimit } from '../../../lib/tensor/device.js'
import { fromArray } from '../../../lib/tensor/tensor.js'
import { testImage } from '../../models/transfusion/tiny_model.js'
import { scriptedModel } from '../scripted_model.js'

const model = await scriptedModel()
model.objective = objectiveSchema.parse({ prediction: 'v', weighting: 'v' })
const { network } = model

async function eventsOf(prompt: Prompt, options: GenerationOptions = {}): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = []
  for await (const event of generate(model, prompt, { steps: 6, ...options })) events.push(event)
  return events
}

const textOf = (events: readonly GenerationEvent[]) =>
  events
    .flatMap((event) => (event.type === 'text' ? event.text.split(' ') : []))
    .filter(Boolean)
    .join(' ')

/** Sees the calls of the network: how many positions each had. */
function watchCalls(each?: (call: number) => void): number[] {
  const calls: number[] = []
  const forward = network.forward.bind(network)
  const spy = vi.spyOn(network, 'forward').mockImplementation((layout, ...rest) => {
    calls.push(layout.ids.elements)
    each?.(calls.length)
    return forward(layout, ...rest)
  })
  onTestFinished(() => spy.mockRestore())
  return calls
}

const tensors = async () => {
  await fence()
  return memory().tensors
}

const atFirst = await tensors()
afterEach(async () => {
  const left = (await tensors()) - atFirst
  if (left !== 0) throw new Error(`${left} tensors were not freed`)
})

describe('steps', () => {
  it('compute the branch without the condition where guidance counts, and nowhere else', async () => {
    const calls = watchCalls()
    const guided = { guidance: 2, guidanceInterval: [0.25, 0.75], steps: 8 } as const
    await eventsOf('a', { startWith: 'image', maxTokens: 0, ...guided })
    // BOS and a; BOI and six patches; then t = 0.875 T, guided from 0.75 T with BOS, BOI and six patches beside them.
    expect(calls).toEqual([2, 7, 6, 6 + 8, 12, 12, 12, 12, 6])
  })

  it('are shared: together generations take as many calls as the longest alone', async () => {
    const options: GenerationOptions[] = [
      { steps: 9 },
      { steps: 3 },
      { maxImages: 0 },
      { guidance: 1, steps: 5 },
    ]
    const calls = watchCalls()
    const alone: number[] = []
    for (const each of options) {
      const from = calls.length
      await eventsOf('a', each)
      alone.push(calls.length - from)
    }
    const from = calls.length
    await Promise.all(options.map((each) => eventsOf('a', each)))
    expect(calls.length - from).toBe(Math.max(...alone))
  })

  it('are enqueued before the token of the step before is read, where few await one and text may follow it', async () => {
    const calls = watchCalls()
    const text = { maxImages: 0 }
    expect(textOf(await eventsOf('c', text))).toBe('d e f')
    // BOS and c, then d, e and f; the last call is discarded: what follows f is the end.
    expect(calls.splice(0)).toEqual([2, 1, 1, 1, 1])
    expect(textOf(await eventsOf('c', { ...text, maxTokens: 3 }))).toBe('d e f')
    expect(calls.splice(0)).toEqual([2, 1, 1])
    // The token after b is BOI: the call in which it is a placeholder is discarded, and the image begins with it anew.
    expect(textOf(await eventsOf('a', { maxTokens: 1, guidance: 1, steps: 3 }))).toBe('b')
    expect(calls.splice(0)).toEqual([2, 1, 1, 7, 6, 6])
    const crowd = await Promise.all(Array.from({ length: 17 }, () => eventsOf('c', text)))
    expect(crowd.map(textOf)).toEqual(crowd.map(() => 'd e f'))
    expect(calls).toEqual([34, 17, 17, 17])
  })

  it('go on for a short generation beside a long one, and beside a batch, as if it were alone', async () => {
    const calls = watchCalls()
    await eventsOf('c')
    const alone = calls.length
    const long = generate(model, 'b', { steps: 1000, guidance: 1 })
    await long.next()
    const batch = new AbortController()
    const prompts = Array.from({ length: 2000 }, () => 'b')
    const seeds = prompts.map((_, i) => i)
    const generating = generateImages(model, prompts, seeds, { steps: 1000 }, { signal: batch.signal })
    while (calls.length < alone + 5) await setTimeout(1)
    const from = calls.length
    expect(textOf(await eventsOf('c'))).toBe('d e f')
    // One call may be under way when it comes, and one when its end is told.
    expect(calls.length - from).toBeLessThanOrEqual(alone + 2)
    batch.abort()
    await expect(generating).rejects.toThrow('aborted')
    await long.return()
  })

  it('have bounds, within which a crowd with long prompts gives what each gives alone', async () => {
    const limits = { positions: 60, token: 1, slots: 300 }
    const engine = new Engine(network, limits)
    const longPrompt = [testImage(4, 6, 1), 'g f '.repeat(80), testImage(2, 8, 2), 'a']
    const cases: [Prompt, GenerationOptions][] = Array.from({ length: 40 }, (_, i) => [
      (['a', longPrompt, ['c', testImage(4, 4, i)], 'b'] as Prompt[])[i % 4]!,
      { steps: 3 + (i % 3), guidance: i % 2 === 0 ? 1 : 2, seed: i },
    ])
    const expected = []
    for (const [prompt, options] of cases) expected.push(await eventsOf(prompt, options))
    const calls = watchCalls()
    const requests = await Promise.all(
      cases.map(([prompt, options]) => generationRequest(model, prompt, options)),
    )
    const results = await Promise.all(
      requests.map(
        (request, i) =>
          new Promise<GenerationEvent[]>((resolve, reject) => {
            const events: GenerationEvent[] = []
            // Half of them from one client.
            engine.submit(i % 2 === 0 ? { ...request, client: model } : request, {
              isFull: false,
              onEvent: (event) => events.push(event),
              onEnd: (failure) => (failure ? reject(failure.error) : resolve(events)),
            })
          }),
      ),
    )
    for (const [i, events] of results.entries()) {
      expect(textOf(events)).toBe(textOf(expected[i]!))
      const images = events.flatMap((event) => (event.type === 'image' ? [event.image] : []))
      const alone = expected[i]!.flatMap((event) => (event.type === 'image' ? [event.image] : []))
      expect(images.length).toBe(alone.length)
      alone.forEach(({ data }, n) =>
        data.forEach((value, p) => expect(Math.abs(value - images[n]!.data[p]!)).toBeLessThanOrEqual(1)),
      )
    }
    // Twice the limit, for prompts and for the rest.
    expect(Math.max(...calls)).toBeLessThanOrEqual(4 * limits.positions)
    expect(calls.length).toBeGreaterThan(20)
  })
})

describe('a generation', () => {
  it('waits for a consumer that is slow, while others go on', async () => {
    const calls = watchCalls()
    const slow = generate(model, 'b', { steps: 400, previewEvery: 1, maxTokens: 0 })
    await slow.next()
    while (calls.length < 10) await setTimeout(1)
    expect(textOf(await eventsOf('c'))).toBe('d e f')
    // Many more steps than it may take part in, which a text has alone.
    for (let i = 0; i < 20; i++) await eventsOf('c', { maxImages: 0 })
    expect(calls.length).toBeGreaterThan(80)
    // Its denoising steps have 12 positions, and a text at most 2 beside them: 16 events are buffered, and two steps were
    // enqueued when that was so.
    expect(calls.filter((positions) => positions >= 12).length).toBeLessThanOrEqual(1 + 16 + 2)
    expect(textOf(await eventsOf('a', { steps: 3 }))).toBe('b c d e f')
    const rest = []
    for await (const event of slow) rest.push(event.type)
    expect(rest.filter((type) => type === 'preview').length).toBe(399)
    expect(rest.slice(-2)).toEqual(['image', 'done'])
  })

  it('that waits for its consumer ends when its signal aborts', async () => {
    const abort = new AbortController()
    const slow = generate(model, 'b', { steps: 1000, previewEvery: 1, signal: abort.signal })
    await slow.next()
    // Later events are all there: it waits.
    await eventsOf('b', { steps: 60 })
    abort.abort(new Error('enough'))
    await expect(slow.next()).rejects.toThrow('enough')
    expect(await slow.next()).toEqual({ done: true, value: undefined })
  })

  it('whose text cannot be decoded fails alone', async () => {
    const tokenizer = {
      encode: (text: string) => model.tokenizer.encode(text),
      decode() {
        throw new Error('no such token')
      },
    } as unknown as typeof model.tokenizer
    const broken = async () => {
      for await (const _ of generate({ ...model, tokenizer }, 'c'));
    }
    const [failed, given] = await Promise.allSettled([broken(), eventsOf('a')])
    expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'no such token' } })
    expect(given.status === 'fulfilled' && textOf(given.value)).toBe('b c d e f')
  })

  it('ends at once when it is left while an event is awaited', async () => {
    const calls = watchCalls()
    const events = generate(model, 'b', { steps: 1000 })
    expect((await events.next()).value).toMatchObject({ type: 'image-start' })
    const next = events.next()
    const from = calls.length
    expect(await events.return(undefined)).toEqual({ done: true, value: undefined })
    expect(await next).toEqual({ done: true, value: undefined })
    expect(calls.length - from).toBeLessThanOrEqual(2)
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })

  it('whose events nobody asks for does nothing', async () => {
    const calls = watchCalls()
    await eventsOf('c', { maxImages: 0 })
    const alone = calls.splice(0)
    const events = generate(model, 'b', {})
    await eventsOf('c', { maxImages: 0 })
    expect(calls).toEqual(alone)
    expect(await events.return(undefined)).toEqual({ done: true, value: undefined })
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })

  it('that is refused, left or aborted leaves the others unharmed', async () => {
    const expected = await eventsOf('a', { seed: 5 })
    const abort = new AbortController()
    const other = new AbortController()
    watchCalls((call) => {
      if (call === 8) queueMicrotask(() => abort.abort())
    })
    const leave = async () => {
      for await (const event of generate(model, 'b', { steps: 50, previewEvery: 1 }))
        if (event.type === 'preview') break
    }
    const [given, ...others] = await Promise.allSettled([
      eventsOf('a', { seed: 5 }),
      eventsOf([testImage(3, 4, 1)]),
      eventsOf('<boi>', { maxTokens: -1 }),
      leave(),
      eventsOf('b', { steps: 1000, signal: AbortSignal.any([abort.signal, other.signal]) }),
    ])
    expect(others.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'rejected'])
    if (given.status === 'rejected') throw given.reason
    const timeless = (events: readonly GenerationEvent[]) => events.filter(({ type }) => type !== 'done')
    expect(timeless(given.value)).toEqual(timeless(expected))
  })
})

describe('a call that fails', () => {
  it('when it is enqueued rejects those in it, and the next ones go on', async () => {
    let broken = true
    watchCalls((call) => {
      if (broken && call === 4) throw new Error('broken')
    })
    const failing = await Promise.allSettled([eventsOf('a'), eventsOf('b'), eventsOf('c')])
    // The third has ended by then.
    expect(failing.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    broken = false
    expect(textOf(await eventsOf('a'))).toBe('b c d e f')
  })

  it('on the device rejects those in it with what failed there, and the next ones go on', async () => {
    const forward = network.forward.bind(network)
    let calls = 0
    const spy = vi.spyOn(network, 'forward').mockImplementation((layout, ...rest) => {
      const ids = ++calls === 3 ? fromArray(new Int32Array(layout.ids.elements).fill(99)) : layout.ids
      return forward({ ...layout, ids }, ...rest)
    })
    const failing = await Promise.allSettled([eventsOf('a'), eventsOf('b', { steps: 50 })])
    spy.mockRestore()
    for (const result of failing)
      expect(result).toMatchObject({
        status: 'rejected',
        reason: {
          message: expect.stringMatching(/^embedding: ids\[0\] must be -1 or in 0..\d+, received 99/),
        },
      })
    expect(textOf(await eventsOf('a'))).toBe('b c d e f')
  })

  it('for want of memory says so, and the next ones go on', async () => {
    const { limit, live } = memory()
    onTestFinished(() => setMemoryLimit(limit))
    // Wherever it runs out: in the cache, in the prompt's call, while it denoises.
    const outcomes: string[] = []
    for (let spare = 200; spare < 400_000; spare *= 2) {
      setMemoryLimit(live + spare)
      const [outcome] = await Promise.allSettled([eventsOf('a')])
      setMemoryLimit(limit)
      outcomes.push(outcome.status === 'fulfilled' ? textOf(outcome.value) : String(outcome.reason))
      expect(await tensors()).toBe(atFirst)
    }
    const failed = outcomes.findIndex((outcome) => outcome === 'b c d e f')
    expect(failed).toBeGreaterThan(3)
    for (const outcome of outcomes.slice(0, failed)) expect(outcome).toMatch(/^RangeError: .*out of memory/)
    expect(textOf(await eventsOf('a'))).toBe('b c d e f')
  })
})

it('generates with two models at once as with each alone', async () => {
  const other = await scriptedModel()
  const run = async (parts: typeof model, seed: number) => {
    const events = []
    for await (const event of generate(parts, 'a', { steps: 6, seed }))
      if (event.type !== 'done') events.push(event)
    return events
  }
  const alone = [await run(model, 1), await run(other, 2)]
  expect(await Promise.all([run(model, 1), run(other, 2)])).toEqual(alone)
  expect(engineOf(model.network)).not.toBe(engineOf(other.network))
  other.network[Symbol.dispose]()
})

it('does not keep a process alive that has left its generations', async () => {
  const script = `
    import { makeCaptionTokenizer, Transfusion } from ${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).href)}
    const image = { channels: 1, patch: 2, height: 4, width: 4 }
    const sizes = { layers: 1, channels: 16, heads: 2, feedForward: 16, image }
    const model = Transfusion.create(sizes, makeCaptionTokenizer(['a b']))
    const options = { startWith: 'image', steps: 1000, previewEvery: 1 }
    for await (const event of model.generate('a', options)) if (event.type === 'preview') break
    const { value } = await model.generate('b', options).next()
    console.log(value.type)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    timeout: 60_000,
  })
  expect(stdout).toBe('image-start\n')
})
