import { describe, expect, it } from 'vitest'
import { evenlySpread, sampleIndex } from '../../lib/data/sample_order.js'

function epoch(length: number, seed: number, number = 0): number[] {
  return Array.from({ length }, (_, i) => sampleIndex(number * length + i, length, seed))
}

const ascending = (a: number, b: number) => a - b

describe('sampleIndex', () => {
  it('visits every sample once in each epoch', () => {
    for (const length of [...Array(130).keys(), 255, 1000, 4097].filter((n) => n > 0)) {
      for (const number of [0, 1, 7]) {
        const visited = epoch(length, 3, number).toSorted(ascending)
        expect(visited.every((index, i) => index === i)).toBe(true)
      }
    }
  })

  it('is the same for the same seed, and another for another seed or epoch', () => {
    expect(epoch(1000, 5)).toEqual(epoch(1000, 5))
    const orders = [
      epoch(1000, 5),
      epoch(1000, 6),
      epoch(1000, 5, 1),
      epoch(1000, 5 + 2 ** 32),
      epoch(1000, -5),
    ]
    expect(new Set(orders.map(String)).size).toBe(orders.length)
  })

  it('keeps the order that runs resume from', () => {
    expect(epoch(10, 42)).toMatchInlineSnapshot(`
      [
        9,
        4,
        5,
        7,
        8,
        2,
        1,
        6,
        0,
        3,
      ]
    `)
  })

  it.each([5, 10, 37])('gives each of %i samples each place equally often', (length) => {
    const epochs = 20_000
    const counts = new Float64Array(length * length)
    for (let number = 0; number < epochs; number++) {
      epoch(length, 1, number).forEach((index, place) => counts[place * length + index]++)
    }
    const expected = epochs / length
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    const freedom = (length - 1) ** 2
    expect(Math.abs(chiSquare - freedom)).toBeLessThan(5 * Math.sqrt(2 * freedom))
  })

  it('separates neighbours', () => {
    const order = epoch(60_000, 1)
    const adjacent = order.filter((index, i) => i > 0 && Math.abs(index - order[i - 1]) === 1).length
    // Two of a shuffled list's neighbours are expected to be adjacent, whatever its length.
    expect(adjacent).toBeLessThan(12)
  })

  it('holds at the largest length and position', () => {
    const index = sampleIndex(2 ** 52, 2 ** 32, 1)
    expect(Number.isInteger(index) && index >= 0 && index < 2 ** 32).toBe(true)
  })

  it.each([
    [0, 0, 'length must be an integer from 1 to 2^32, received 0'],
    [0, 2 ** 33, 'received 8589934592'],
    [-1, 5, 'position must be an integer from 0, received -1'],
    [0.5, 5, 'received 0.5'],
  ])('refuses position %d of %d', (position, length, message) => {
    expect(() => sampleIndex(position, length, 1)).toThrow(message)
  })
})

describe('evenlySpread', () => {
  it('takes so many from the whole list, and repeats what is not enough', () => {
    expect(evenlySpread([0, 1, 2, 3, 4, 5, 6], 3)).toEqual([0, 2, 4])
    expect(evenlySpread(['a', 'b'], 4)).toEqual(['a', 'a', 'b', 'b'])
    expect(evenlySpread(['a', 'b'], 0)).toEqual([])
  })
})
