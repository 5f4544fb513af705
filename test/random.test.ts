import { describe, expect, it } from 'vitest'
import { philox, randomSeeds, randomUniform, randomWords } from '../lib/random.js'

const hex = (words: Uint32Array) => Array.from(words, (word) => word.toString(16).padStart(8, '0')).join(' ')

describe('philox', () => {
  // Known answers of Random123 (kat_vectors, philox4x32 10).
  it.each([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ] as const)('gives the known answer for counter %j, key %j', (counter, key, answer) => {
    expect(hex(philox(counter, key))).toBe(answer)
  })
})

describe('random numbers', () => {
  it('differ in every argument, beyond 32 bits too', () => {
    const draws = [
      randomWords(1, 'timestep', 5, 3),
      randomWords(2, 'timestep', 5, 3),
      randomWords(1 + 2 ** 32, 'timestep', 5, 3),
      randomWords(1, 'noise', 5, 3),
      randomWords(1, 'timestep', 6, 3),
      randomWords(1, 'timestep', 5 + 2 ** 32, 3),
      randomWords(1, 'timestep', 5, 4),
    ]
    expect(new Set(draws.map(hex)).size).toBe(draws.length)
    expect(randomWords(1, 'timestep', 5, 3)).toEqual(draws[0])
  })

  it('are uniform in [0, 1)', () => {
    const count = 20_000
    const draws = Array.from({ length: count }, (_, i) => randomUniform(7, 'shuffle', 0, i))
    const mean = draws.reduce((sum, u) => sum + u, 0) / count
    const variance = draws.reduce((sum, u) => sum + (u - mean) ** 2, 0) / count
    expect(draws.every((u) => u >= 0 && u < 1)).toBe(true)
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(4 * Math.sqrt(1 / 12 / count))
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(4 * Math.sqrt(1 / 180 / count))
  })

  it('give device seeds that do not depend on how a step is cut into calls', () => {
    const whole = randomSeeds(3, 'noise', 9, 5)
    expect(whole).toHaveLength(20)
    expect(Int32Array.of(...randomSeeds(3, 'noise', 9, 2), ...randomSeeds(3, 'noise', 9, 3, 2))).toEqual(
      whole,
    )
  })
})
