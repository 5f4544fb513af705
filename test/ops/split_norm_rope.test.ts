import { describe, expect, it } from 'vitest'
import { concat } from '../../lib/ops/concat.js'
import { splitNormRope } from '../../lib/ops/split_norm_rope.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'
import { concatReference, sliceReference } from '../reference/axis.js'
import { ropeReference, ropeTableReference } from '../reference/rope.js'
import { gatherReference } from '../reference/rows.js'

const eps = 1e-4

function tableOf(T: number, D: number): HostArray {
  const frequencies = Float32Array.from({ length: D / 2 }, (_, i) => 10000 ** ((-2 * i) / D))
  const positions = Float32Array.from({ length: T }, (_, t) => 3 * t + 1)
  const table = ropeTableReference(positions, 1, frequencies, new Int32Array(D / 2))
  return { ...table, data: table.data.map(Math.fround) }
}

/** x [R, heads, D] times 1 / sqrt(mean(x^2) + eps) of each head, times the weight. */
function normReference(x: HostArray, weight: HostArray): HostArray {
  const D = x.shape[2]!
  const data = new Float64Array(x.data.length)
  for (let start = 0; start < data.length; start += D) {
    let squares = 0
    for (let i = 0; i < D; i++) squares += x.data[start + i]! ** 2
    const rstd = 1 / Math.sqrt(squares / D + eps)
    for (let i = 0; i < D; i++) data[start + i] = x.data[start + i]! * rstd * weight.data[i]!
  }
  return { shape: x.shape, data }
}

const normed = (qkv: HostArray, query: HostArray, key: HostArray, H: number, G: number): HostArray =>
  concatReference(
    [
      normReference(sliceReference(qkv, 0, H, 1), query),
      normReference(sliceReference(qkv, H, G, 1), key),
      sliceReference(qkv, H + G, G, 1),
    ],
    1,
  )

type Names = 'qkv' | 'query' | 'key' | 'otherQkv' | 'otherQuery' | 'otherKey'

describe.each([
  [1, 1, 1, 2],
  [31, 3, 1, 6],
  [33, 4, 2, 32],
  [5, 2, 2, 130],
  [2, 1, 1, 1100],
  [70, 5, 1, 16],
])('splitNormRope of %i tokens, %i heads, %i key/value heads of %i', (T, H, G, D) => {
  const table = tableOf(T, D)
  const tableTensor = () => fromArray(Float32Array.from(table.data), [T, D])
  const joined = ({ q, k, v }: { q: Tensor; k: Tensor; v: Tensor }) => concat([q, k, v], 1)
  const first = Math.ceil(T / 3)
  // A permutation: every third row, backwards, in the first part.
  const rows = Int32Array.from({ length: T }, (_, t) => T - 1 - t)
  const order = [...rows.filter((row) => row % 3 === 0), ...rows.filter((row) => row % 3 !== 0)]
  const inverse = Int32Array.from({ length: T }, (_, row) => order.indexOf(row))
  const [ofFirst, ofRest] = [order.slice(0, first), order.slice(first)]
  const ints = (numbers: readonly number[]) => fromArray(Int32Array.from(numbers))
  const heads = (count: number, seed: number) => randomArray([count, H + 2 * G, D], seed)
  const weight = (seed: number) => randomArray([D], seed)

  it('normalises and rotates as the reference', () =>
    checkOp({
      inputs: { qkv: heads(T, 1), query: weight(2), key: weight(3) },
      run: ({ qkv, query, key }) =>
        joined(splitNormRope([{ qkv, norms: { query, key } }], tableTensor(), H, G, eps)),
      reference: ({ qkv, query, key }) => ropeReference(normed(qkv, query, key, H, G), table, G),
    }))

  it('joins parts in the order of the sequence, as the reference', () =>
    checkOp({
      inputs: { qkv: heads(first, 1), otherQkv: heads(T - first, 2) },
      run: ({ qkv, otherQkv }) =>
        joined(
          splitNormRope(
            [
              { qkv, rows: ints(ofFirst) },
              { qkv: otherQkv, rows: ints(ofRest) },
            ],
            tableTensor(),
            H,
            G,
          ),
        ),
      reference: ({ qkv, otherQkv }) =>
        ropeReference(gatherReference(concatReference([qkv, otherQkv], 0), inverse), table, G),
    }))

  it('normalises each part by weights of its own, as the reference', () =>
    checkOp<Record<Names, HostArray>>({
      inputs: {
        qkv: heads(first, 1),
        query: weight(2),
        key: weight(3),
        otherQkv: heads(T - first, 4),
        otherQuery: weight(5),
        otherKey: weight(6),
      },
      run: ({ qkv, query, key, otherQkv, otherQuery, otherKey }) =>
        joined(
          splitNormRope(
            [
              { qkv, rows: ints(ofFirst), norms: { query, key } },
              { qkv: otherQkv, rows: ints(ofRest), norms: { query: otherQuery, key: otherKey } },
            ],
            tableTensor(),
            H,
            G,
            eps,
          ),
        ),
      reference: ({ qkv, query, key, otherQkv, otherQuery, otherKey }) => {
        const parts = [normed(qkv, query, key, H, G), normed(otherQkv, otherQuery, otherKey, H, G)]
        return ropeReference(gatherReference(concatReference(parts, 0), inverse), table, G)
      },
    }))
})

it('takes parts without rows', async () => {
  const empty = { qkv: zeros([0, 3, 4]), rows: fromArray(new Int32Array(0)) }
  const whole = {
    qkv: fromArray(
      Float32Array.from({ length: 12 }, (_, i) => i),
      [1, 3, 4],
    ),
    rows: fromArray(Int32Array.of(0)),
  }
  const table = fromArray(Float32Array.of(1, 1, 0, 0), [1, 4])
  const { q, k, v } = splitNormRope([empty, whole], table, 1, 1)
  const values = await Promise.all([q, k, v].map((tensor) => tensor.readFloats()))
  expect(values.flatMap((part) => [...part])).toEqual(Array.from({ length: 12 }, (_, i) => i))
})

it('names the argument and what was received', async () => {
  const table = zeros([2, 4])
  const rows = fromArray(Int32Array.of(0, 1))
  const qkv = zeros([2, 3, 4])
  const norms = { query: zeros([4]), key: zeros([4]) }
  const of = (...parts: Parameters<typeof splitNormRope>[0]) => splitNormRope(parts, table, 1, 1)
  expect(() => of()).toThrow('split_norm_rope: qkv must hold at least one tensor')
  expect(() => of({ qkv: zeros([2, 4, 4]), norms })).toThrow(
    'split_norm_rope: qkv[0] must have shape [*, 3, 4]',
  )
  expect(() => of({ qkv: zeros([2, 3, 5]), norms })).toThrow(
    'split_norm_rope: qkv[0] must have an even last axis',
  )
  expect(() => of({ qkv: zeros([1, 3, 4]), norms })).toThrow('split_norm_rope: table must have shape [1, 4]')
  expect(() => of({ qkv, rows: zeros([2]) })).toThrow('split_norm_rope: rows[0] must be i32')
  expect(() => of({ qkv: zeros([1, 3, 4]) }, { qkv: zeros([1, 3, 4]) })).toThrow(
    'split_norm_rope: rows must be 2, one for each of qkv, received 0',
  )
  expect(() => of({ qkv, norms: { ...norms, key: zeros([3]) } })).toThrow(
    'split_norm_rope: keyWeights[0] must have shape [4]',
  )
  await expect(of({ qkv, rows: fromArray(Int32Array.of(0, 2)) }).q.read()).rejects.toThrow(
    'split_norm_rope: rows[1] must be -1 or in 0..1, received 2',
  )
  expect((await of({ qkv, rows }).q.readFloats()).length).toBe(8)
})
