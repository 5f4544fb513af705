import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFinite, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

/** The interval of keys that each query sees, see `attention`. All i32; T queries, B sequences. */
export interface AttentionSpans {
  /** `[T]`: the first key that a query sees, in key positions of its own sequence. */
  keyStart: Tensor
  /** `[T]`: one past the last key that it sees. */
  keyEnd: Tensor
  /** `[B + 1]`: sequence b has the queries queryRows[b] .. queryRows[b + 1] - 1. */
  queryRows: Tensor
  /** `[B + 1]`: and the keys, or cache slots, keyRows[b] .. keyRows[b + 1] - 1. */
  keyRows: Tensor
}

type Inputs = { q: Tensor; k: Tensor; v: Tensor } & Record<keyof AttentionSpans, Tensor>

function checkInts(name: string, tensor: Tensor): void {
  checkDType(name, tensor, 'i32')
  checkRank(name, tensor, 1)
}

function check({ q, k, v, keyStart, keyEnd, queryRows, keyRows }: Inputs): void {
  checkFloat('q', q)
  checkRank('q', q, 3)
  const [T, H, D] = [q.size(0), q.size(1), q.size(2)]
  if (D === 0) throw new ArgumentError('q', 'have heads of at least one element', q)
  checkDType('k', k, q.dtype)
  checkShape('k', k, [-1, -1, D])
  if (k.size(1) === 0 || H % k.size(1) !== 0)
    throw new ArgumentError('k', `have a number of heads that divides q's ${H}`, k)
  checkDType('v', v, q.dtype)
  checkShape('v', v, k.shape)
  checkInts('keyStart', keyStart)
  checkInts('keyEnd', keyEnd)
  checkInts('queryRows', queryRows)
  checkInts('keyRows', keyRows)
  checkShape('keyStart', keyStart, [T])
  checkShape('keyEnd', keyEnd, [T])
  if (queryRows.elements === 0)
    throw new ArgumentError('queryRows', 'have one element more than sequences', queryRows)
  checkShape('keyRows', keyRows, queryRows.shape)
}

const op = defineOp({
  name: 'attention',
  forward(inputs: Inputs, options: { scale?: number }) {
    check(inputs)
    const { q, k, v, keyStart, keyEnd, queryRows, keyRows } = inputs
    const scale = options.scale ?? 1 / Math.sqrt(q.size(2))
    checkFinite('scale', scale)
    const y = emptyLike(q)
    // yLo is what rounding y to bf16 loses: dq needs it, for the backward pass subtracts y . dy.
    const yLo = q.dtype === 'bf16' ? emptyLike(q) : undefined
    const lse = empty([q.size(1), q.size(0)])
    native.attention(
      y.handle,
      yLo?.handle,
      lse.handle,
      q.handle,
      k.handle,
      v.handle,
      keyStart.handle,
      keyEnd.handle,
      queryRows.handle,
      keyRows.handle,
      scale,
    )
    return { output: y, saved: { ...inputs, y, yLo, lse, scale } }
  },
  backward(dy, { q, k, v, keyStart, keyEnd, queryRows, keyRows, y, yLo, lse, scale }) {
    const [dq, dk, dv] = [emptyLike(q), emptyLike(k), emptyLike(v)]
    native.attention_backward(
      dq.handle,
      dk.handle,
      dv.handle,
      dy.handle,
      y.handle,
      yLo?.handle,
      lse.handle,
      q.handle,
      k.handle,
      v.handle,
      keyStart.handle,
      keyEnd.handle,
      queryRows.handle,
      keyRows.handle,
      scale,
    )
    return { q: dq, k: dk, v: dv }
  },
})

/**
 * Attention in which each query sees one interval of keys: y[t, h] = sum_k p[k] v[k, g], where g = floor(h / (H / G))
 * and p is the softmax of scale * q[t, h] . k[k, g] over keyStart[t] <= k < keyEnd[t]. Causal attention over text that
 * is bidirectional within an image has keyEnd[t] = max(t + 1, end of t's image) and keyStart[t] = start of t's document.
 *
 * q [T, H, D], k and v [K, G, D], all f32 or all bf16, with H a multiple of G -> y [T, H, D]. The B sequences of one
 * call may have any lengths. k and v may be a cache: slots that no query sees are not read, and their gradients are
 * zero. `scale` is 1 / sqrt(D) by default. A query's result is the same to the bit whatever other queries are in the
 * call.
 *
 * Within a sequence of N keys, 0 <= keyStart < keyEnd <= N and neither bound ever decreases; queryRows rises from 0 to
 * T; keyRows stays within 0..K. Source: paper, section 3, "Transfusion Attention".
 * @throws ArgumentError unless shapes and dtypes are these; reading y rejects where the intervals are not, with the
 *   argument and the value
 */
export const attention = (
  q: Tensor,
  k: Tensor,
  v: Tensor,
  spans: AttentionSpans,
  options: { scale?: number } = {},
): Tensor => op({ q, k, v, ...spans }, options)
