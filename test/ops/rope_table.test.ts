import { describe, expect, it } from 'vitest'
import { ropeTable } from '../../lib/ops/rope_table.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { ropeTableReference } from '../reference/rope.js'

const frequenciesOf = (half: number) => Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / half))

describe('ropeTable', () => {
  it.each([
    [1, 1, 1],
    [33, 16, 1],
    [131, 31, 3],
    [0, 4, 1],
  ])('is exact for %i positions up to 1e5, %i pairs, %i axes', async (T, half, A) => {
    const positions = Float32Array.from({ length: T * A }, (_, i) => (i * 7919.25) % 1e5)
    const frequencies = frequenciesOf(half)
    const axes = Int32Array.from({ length: half }, (_, i) => i % A)
    const table = ropeTable(fromArray(positions, [T, A]), fromArray(frequencies), fromArray(axes))
    const expected = ropeTableReference(positions, A, frequencies, axes)
    expect(table.shape).toEqual(expected.shape)
    compare('table', await table.readFloats(), expected.data, 'f32', 'elementwise')
  })

  it('names the argument and what was received', async () => {
    const frequencies = fromArray(frequenciesOf(2))
    const axes = fromArray(Int32Array.of(0, 1))
    expect(() => ropeTable(zeros([3]), frequencies, axes)).toThrow('rope_table: positions must have 2 axes')
    expect(() => ropeTable(zeros([3, 2]), zeros([3]), axes)).toThrow('rope_table: axes must have shape [3]')
    await expect(ropeTable(zeros([3, 1]), frequencies, axes).read()).rejects.toThrow(
      'rope_table: axes[1] must be in 0..0, received 1',
    )
  })
})
