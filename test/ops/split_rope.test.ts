import { describe, expect, it } from 'vitest'
import { concat } from '../../lib/ops/concat.js'
import { splitRope } from '../../lib/ops/split_rope.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'
import { sliceReference } from '../reference/axis.js'
import { ropeReference, ropeTableReference } from '../reference/rope.js'

function tableOf(T: number, D: number) {
  const frequencies = Float32Array.from({ length: D / 2 }, (_, i) => 10000 ** ((-2 * i) / D))
  const table = ropeTableReference(
    Float32Array.from({ length: T }, (_, t) => 3 * t + 1),
    1,
    frequencies,
    new Int32Array(D / 2),
  )
  return { ...table, data: table.data.map(Math.fround) }
}

describe('splitRope', () => {
  it.each([
    [1, 1, 1, 2],
    [31, 3, 1, 6],
    [33, 4, 2, 32],
    [5, 2, 2, 130],
    [0, 2, 1, 4],
  ])('agrees with the reference on %i tokens, %i heads, %i key/value heads of %i', async (T, H, G, D) => {
    const table = tableOf(T, D)
    const run = (x: Parameters<typeof splitRope>[0]) =>
      splitRope(x, fromArray(Float32Array.from(table.data), [T, D]), H, G)
    const inputs = { qkv: randomArray([T, H + 2 * G, D]) }
    await checkOp({
      inputs,
      run: ({ qkv }) => {
        const { q, k, v } = run(qkv)
        return concat([q, k, v], 1)
      },
      reference: ({ qkv }) => ropeReference(qkv, table, G),
    })
    for (const [name, start, size] of [
      ['q', 0, H],
      ['k', H, G],
      ['v', H + G, G],
    ] as const)
      await checkOp({
        inputs,
        run: ({ qkv }) => run(qkv)[name],
        reference: ({ qkv }) => sliceReference(ropeReference(qkv, table, G), start, size, 1),
      })
  })

  it('names the argument and what was received', () => {
    expect(() => splitRope(zeros([2, 4, 6]), zeros([2, 6]), 3, 1)).toThrow(
      'split_rope: qkv must have shape [*, 5, *], received a tensor of f32 [2, 4, 6]',
    )
    expect(() => splitRope(zeros([2, 4, 5]), zeros([2, 5]), 2, 1)).toThrow(
      'split_rope: qkv must have an even last axis',
    )
    expect(() => splitRope(zeros([2, 4, 6]), zeros([3, 6]), 2, 1)).toThrow(
      'split_rope: table must have shape [2, 6]',
    )
    expect(() => splitRope(zeros([2, 4, 6]), zeros([2, 6]), 2, 0)).toThrow(
      'split_rope: kvHeads must be an integer of at least 1, received 0',
    )
  })
})
