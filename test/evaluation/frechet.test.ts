import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { readSafetensors } from '../../lib/data/safetensors.js'
import type { Features } from '../../lib/evaluation/features.js'
import { frechetDistance, momentsOf } from '../../lib/evaluation/frechet.js'

const folder = new URL('../fixtures/features/', import.meta.url)

async function fixture(): Promise<{ a: Features; b: Features; expected: number }> {
  const { tensors } = await readSafetensors(new URL('features.safetensors', folder).pathname)
  const figures = JSON.parse(await readFile(new URL('features.json', folder), 'utf8'))
  const set = (name: string) => {
    const { shape, data } = tensors.get(name)!
    return { data: data as Float32Array, width: shape[1]! }
  }
  return { a: set('a'), b: set('b'), expected: figures.frechet_distance }
}

const distance = async (a: Features, b: Features) => frechetDistance(await momentsOf(a), await momentsOf(b))

describe('frechetDistance', () => {
  it("agrees with SciPy's matrix square root", async () => {
    const { a, b, expected } = await fixture()
    expect(await distance(a, b)).toBeCloseTo(expected, 9)
    expect(await distance(b, a)).toBeCloseTo(expected, 9)
  })

  it('is zero between a set and itself', async () => {
    const { a } = await fixture()
    expect(await distance(a, a)).toBeCloseTo(0, 9)
  })

  it('is the squared distance of the means between sets of one shape', async () => {
    const { a } = await fixture()
    const moved = { ...a, data: a.data.map((value) => value + 0.5) }
    expect(await distance(a, moved)).toBeCloseTo(24 * 0.25, 4)
  })

  it('takes sets with fewer vectors than features', async () => {
    // Along one axis only: (0, 0), (2, 0) against (0, 0), (4, 0): means 1 and 2, variances 2 and 8.
    const a = { data: Float32Array.of(0, 0, 2, 0), width: 2 }
    const b = { data: Float32Array.of(0, 0, 4, 0), width: 2 }
    expect(await distance(a, b)).toBeCloseTo(1 + 2 + 8 - 2 * 4, 12)
  })

  it('refuses a single vector', async () => {
    await expect(momentsOf({ data: new Float32Array(3), width: 3 })).rejects.toThrow('two vectors or more')
  })
})
