import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import {
  ArgumentError,
  checkDType,
  checkFloat,
  checkInteger,
  checkRank,
  checkShape,
} from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'split_rope',
  constants: ['table'],
  forward(
    { qkv, table }: { qkv: Tensor; table: Tensor },
    { heads, kvHeads }: { heads: number; kvHeads: number },
  ) {
    checkInteger('heads', heads, 1)
    checkInteger('kvHeads', kvHeads, 1)
    checkFloat('qkv', qkv)
    checkRank('qkv', qkv, 3)
    const [T, , D] = qkv.shape as [number, number, number]
    checkShape('qkv', qkv, [-1, heads + 2 * kvHeads, -1])
    if (D % 2 !== 0) throw new ArgumentError('qkv', 'have an even last axis', qkv)
    checkDType('table', table, 'f32')
    checkShape('table', table, [T, D])
    const q = empty([T, heads, D], qkv.dtype)
    const k = empty([T, kvHeads, D], qkv.dtype)
    const v = empty([T, kvHeads, D], qkv.dtype)
    native.split_rope(q.handle, k.handle, v.handle, qkv.handle, table.handle)
    return { output: [q, k, v], saved: { table, shape: qkv.shape, dtype: qkv.dtype } }
  },
  backward([dq, dk, dv]: readonly Tensor[], { table, shape, dtype }) {
    const dqkv = empty(shape, dtype)
    native.split_rope_backward(dqkv.handle, dq!.handle, dk!.handle, dv!.handle, table.handle)
    return { qkv: dqkv }
  },
})

/**
 * Splits qkv into queries, keys and values and rotates queries and keys by their positions (RoPE). In each head, pair i
 * is elements i and i + D / 2, as in Hugging Face's Llama:
 *
 *     y[i] = x[i] cos[i] - x[i + D/2] sin[i]        y[i + D/2] = x[i + D/2] cos[i] + x[i] sin[i]
 *
 * qkv [T, H + 2 G, D] f32 or bf16, the H = heads of queries, then the G = kvHeads of keys, then those of values; table
 * [T, D] f32 from `ropeTable` -> q [T, H, D], k and v [T, G, D] of qkv's dtype. Source: Su et al. 2021, as in the Llama
 * block (paper, section 4.1).
 * @throws ArgumentError unless shapes and dtypes fit and D is even
 */
export function splitRope(
  qkv: Tensor,
  table: Tensor,
  heads: number,
  kvHeads: number,
): { q: Tensor; k: Tensor; v: Tensor } {
  const [q, k, v] = op({ qkv, table }, { heads, kvHeads }) as [Tensor, Tensor, Tensor]
  return { q, k, v }
}
