import { describe, expect, it } from 'vitest'
import { distinctLengths, fastest, fastestTile, tuneFromConfig } from '../../lib/run/tune_from_config.js'
import type { ProductShape } from '../../lib/tensor/product_choices.js'
import { temporaryFolder } from '../temporary_folder.js'
import { tinyRun, writePictures } from './tiny_run.js'

const library = `cublaslt ${'0'.repeat(128)}`
const times = (entries: Record<string, number>) =>
  Object.entries(entries).map(([way, milliseconds]) => ({ way, milliseconds }))

describe('of the ways of a product', () => {
  it.each([
    [{ small: 3, medium: 2, large: 2.5 }, 'medium', 'medium'],
    [{ small: 3, medium: 2, [library]: 1.9 }, library, 'medium'],
    // Within what measuring is off by: bits stay those of the other tiles.
    [{ small: 3, medium: 2, [library]: 1.98 }, 'medium', 'medium'],
    [{ small: 3, [library]: 4 }, 'small', 'small'],
  ])('%j: %s is taken', (measured, way, tile) => {
    expect([fastest(times(measured)).way, fastestTile(times(measured)).way]).toEqual([way, tile])
  })
})

describe('of products that differ in the length of a batch', () => {
  const shape = (more: Partial<ProductShape>): ProductShape => ({
    dtype: 'bf16',
    yDtype: 'bf16',
    transposeA: false,
    transposeB: true,
    bias: false,
    accumulate: false,
    aligned: true,
    batch: 1,
    m: 1000,
    n: 64,
    k: 64,
    ...more,
  })
  const gradient = (k: number) => shape({ transposeA: true, transposeB: false, m: 64, k })

  it('keeps the longest, and others by steps of a quarter', () => {
    const of = (lengths: number[]) => lengths.map((m) => shape({ m }))
    expect(distinctLengths(of([1000, 990, 1010, 700, 790, 300]))).toEqual(of([1010, 790, 300]))
    expect(distinctLengths([gradient(500), gradient(512)])).toEqual([gradient(512)])
  })

  it('keeps those that differ in anything else', () => {
    const shapes = [
      shape({}),
      shape({ n: 65 }),
      shape({ bias: true }),
      shape({ yDtype: 'f32' }),
      gradient(1000),
    ]
    expect(distinctLengths(shapes)).toHaveLength(shapes.length)
  })
})

it('refuses a device whose products have one way', async () => {
  const folder = await temporaryFolder()
  await writePictures(folder)
  const config = { ...tinyRun(folder), device: 'cpu' as const, training: { steps: 5 } }
  await expect(tuneFromConfig(config)).rejects.toThrow(
    'config: device must be a GPU, received "cpu": there, products are computed in one way',
  )
})
