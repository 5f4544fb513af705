import { getEventListeners } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'
import { generateImages } from '../../lib/generation/generate_images.js'
import { generate } from '../../lib/generation/generate.js'
import { onAbort } from '../../lib/generation/on_abort.js'
import { scriptedModel } from './scripted_model.js'

const model = await scriptedModel()
const options = { steps: 2, maxTokens: 4 }

/** The warnings of this process until the test ends. */
function warnings(): Error[] {
  const seen: Error[] = []
  const note = (warning: Error) => void seen.push(warning)
  process.on('warning', note)
  onTestFinished(() => void process.off('warning', note))
  return seen
}

/** Warnings are emitted before the next turn of the event loop. */
const later = () => new Promise((resolve) => setImmediate(resolve))

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

async function run(signal: AbortSignal): Promise<number> {
  let events = 0
  for await (const _ of generate(model, 'a', { ...options, signal })) events++
  return events
}

it('runs a hundred generations on one signal, without a warning, and leaves no listener', async () => {
  const seen = warnings()
  const { signal } = new AbortController()
  const runs = Array.from({ length: 100 }, () => run(signal))
  expect(listeners(signal)).toBe(1)
  for (const events of await Promise.all(runs)) expect(events).toBeGreaterThan(2)
  await generateImages(model, ['a', 'b'], [1, 2], { steps: 2 }, { signal })
  expect(listeners(signal)).toBe(0)
  await later()
  expect(seen).toEqual([])
})

it('ends a hundred generations with the reason of the one signal that aborts, and leaves no listener', async () => {
  const seen = warnings()
  const controller = new AbortController()
  const { signal } = controller
  const runs = Array.from({ length: 100 }, () => run(signal))
  controller.abort(new Error('enough'))
  for (const { status, ...rest } of await Promise.allSettled(runs)) {
    expect(status).toBe('rejected')
    expect(rest).toMatchObject({ reason: new Error('enough') })
  }
  await later()
  expect(listeners(signal)).toBe(0)
  expect(seen).toEqual([])
})

it('leaves no listener of generations that were left, or refused', async () => {
  const { signal } = new AbortController()
  for (let i = 0; i < 20; i++) for await (const _ of generate(model, 'a', { ...options, signal })) break
  await expect(generateImages(model, ['a'], [1], { steps: 0 }, { signal })).rejects.toThrow('steps')
  expect(listeners(signal)).toBe(0)
})

it('calls each listener once, one that listens twice twice, and none that has given up', () => {
  const controller = new AbortController()
  const calls: string[] = []
  const twice = () => void calls.push('twice')
  for (const listener of [twice, twice]) onAbort(controller.signal, listener)
  onAbort(controller.signal, () => void calls.push('left'))()
  const stop = onAbort(controller.signal, () => {
    calls.push('stops')
    stop()
  })
  controller.abort()
  expect(calls).toEqual(['twice', 'twice', 'stops'])
})
