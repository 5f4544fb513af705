import { describe, expect, it } from 'vitest'
import { type CachedSequence, SequenceCache } from '../../../lib/generation/engine/sequence_cache.js'
import type { TransfusionNetwork } from '../../../lib/models/transfusion/model.js'
import { KvCache } from '../../../lib/nn/kv_cache.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../../lib/tensor/tensor.js'
import { generator } from '../../host_array.js'

/** One layer, one head, one value a slot. */
const network = { createCache: (slots: number) => new KvCache(slots, 1, 1, 1, 'f32') } as TransfusionNetwork

const cacheOf = (most: number) => new SequenceCache(network, most)

/** Adds values to a sequence's keys, as a call of the network does. */
async function append(
  cache: SequenceCache,
  sequence: CachedSequence,
  values: readonly number[],
): Promise<Float32Array> {
  let all: Tensor
  scope(() => {
    const slots = Int32Array.from(values, (_, i) => sequence.start + sequence.cursor.length + i)
    const added = fromArray(Float32Array.from(values), [values.length, 1, 1])
    all = cache.tensors().write(0, added, added, fromArray(slots)).k
  })
  const length = sequence.cursor.length + values.length
  sequence.cursor = { length, position: length }
  return all!.readFloats()
}

describe('SequenceCache', () => {
  it('keeps what sequences hold while others come, grow and leave', async () => {
    const next = generator(3)
    using cache = cacheOf(200)
    const held = new Map<CachedSequence, number[]>()
    let refused = 0
    let value = 0
    for (let round = 0; round < 400; round++) {
      const sequences = [...held.keys()]
      const chosen = sequences[Math.floor(next() * sequences.length)]
      if (next() < 0.3 || !chosen) {
        const sequence = cache.open(1 + Math.floor(next() * 20))
        if (sequence) held.set(sequence, [])
        else refused++
      } else if (next() < 0.25) {
        cache.close(chosen)
        held.delete(chosen)
      } else {
        const values = Array.from({ length: 1 + Math.floor(next() * 6) }, () => ++value)
        if (cache.extend(chosen, chosen.cursor.length + values.length)) {
          await append(cache, chosen, values)
          held.get(chosen)!.push(...values)
        } else refused++
      }
      const first = [...held.keys()].find(({ cursor, size }) => cursor.length < size)
      if (!first) continue
      const slots = await append(cache, first, [++value])
      held.get(first)!.push(value)
      for (const [{ start }, values] of held)
        expect([...slots.subarray(start, start + values.length)]).toEqual(values)
    }
    expect(cache.slots).toBeLessThanOrEqual(200)
    expect(refused).toBeGreaterThan(10)
  })

  it('gives no more slots than it may, unless it must', () => {
    using cache = cacheOf(10)
    const sequence = cache.open(6)!
    expect(cache.open(5)).toBeUndefined()
    expect(cache.extend(sequence, 11)).toBe(false)
    expect(sequence.size).toBe(6)
    expect(cache.open(5, true)!.size).toBe(5)
    expect(cache.extend(sequence, 7)).toBe(false)
    expect(cache.extend(sequence, 7, true)).toBe(true)
  })
})
