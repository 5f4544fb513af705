import { expect, it } from 'vitest'
import type { Generation } from '../../../lib/generation/engine/generation.js'
import { RequestQueue } from '../../../lib/generation/engine/request_queue.js'

const generationOf = (client: object) => ({ request: { client } }) as Generation

it('starts the client that has the fewest running, each in its order, and forgets what is removed', () => {
  const queue = new RequestQueue()
  const [batch, single] = [{}, {}]
  const many = Array.from({ length: 3 }, () => generationOf(batch))
  const one = generationOf(single)
  for (const generation of [...many, one]) queue.add(generation)
  const startNext = () => {
    const next = queue.next()
    if (next) queue.start(next.generation)
    return next
  }
  expect(startNext()).toEqual({ generation: many[0], isClientsFirst: true })
  expect(startNext()).toEqual({ generation: one, isClientsFirst: true })
  expect(startNext()).toEqual({ generation: many[1], isClientsFirst: false })
  queue.finish(many[0]!)
  queue.finish(many[1]!)
  expect(queue.next()?.isClientsFirst).toBe(true)
  expect(queue.remove(many[2]!)).toBe(true)
  expect(queue.remove(many[2]!)).toBe(false)
  expect(queue.next()).toBeUndefined()
})
