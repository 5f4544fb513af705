import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import {
  ArgumentError,
  checkDType,
  checkFinite,
  checkFloat,
  checkInteger,
  checkRank,
  checkShape,
} from '../tensor/check.js'
import { empty, type Tensor, zeros } from '../tensor/tensor.js'
import { splitRope } from './split_rope.js'

/** Some tokens' queries, keys and values, see {@link splitNormRope}. */
export interface HeadsPart {
  /** `[R, H + 2 G, D]` */
  readonly qkv: Tensor
  /** `[R]` i32: the row of each token in the result; absent: there is one part, in the result's order. */
  readonly rows?: Tensor | undefined
  /** Weights [D] of an RMSNorm of each head of queries and of keys. */
  readonly norms?: { readonly query: Tensor; readonly key: Tensor } | undefined
}

// Of each list none, or one for each of qkv.
type Inputs = {
  qkv: readonly Tensor[]
  table: Tensor
  rows: readonly Tensor[]
  queryWeights: readonly Tensor[]
  keyWeights: readonly Tensor[]
}

interface Options {
  heads: number
  kvHeads: number
  eps: number
}

function check({ qkv, table, rows, ...weights }: Inputs, { heads, kvHeads, eps }: Options): void {
  checkInteger('heads', heads, 1)
  checkInteger('kvHeads', kvHeads, 1)
  checkFinite('eps', eps)
  const [first] = qkv
  if (!first) throw new ArgumentError('qkv', 'hold at least one tensor', 'none')
  checkFloat('qkv[0]', first)
  checkRank('qkv[0]', first, 3)
  const D = first.size(2)
  if (D % 2 !== 0) throw new ArgumentError('qkv[0]', 'have an even last axis', first)
  qkv.forEach((part, i) => {
    checkDType(`qkv[${i}]`, part, first.dtype)
    checkShape(`qkv[${i}]`, part, [-1, heads + 2 * kvHeads, D])
  })
  const T = qkv.reduce((sum, part) => sum + part.size(0), 0)
  checkDType('table', table, 'f32')
  checkShape('table', table, [T, D])
  for (const [name, list] of Object.entries({ rows, ...weights }))
    if (list.length !== qkv.length && (list.length > 0 || (name === 'rows' && qkv.length > 1)))
      throw new ArgumentError(name, `be ${qkv.length}, one for each of qkv`, `${list.length}`)
  rows.forEach((numbers, i) => {
    checkDType(`rows[${i}]`, numbers, 'i32')
    checkShape(`rows[${i}]`, numbers, [qkv[i]!.size(0)])
  })
  for (const [name, list] of Object.entries(weights))
    list.forEach((weight, i) => {
      checkDType(`${name}[${i}]`, weight, first.dtype)
      checkShape(`${name}[${i}]`, weight, [D])
    })
}

const op = defineOp({
  name: 'split_norm_rope',
  lists: ['qkv', 'rows', 'queryWeights', 'keyWeights'],
  constants: ['table'],
  forward(inputs: Inputs, options: Options) {
    check(inputs, options)
    const { qkv, table, rows, queryWeights, keyWeights } = inputs
    const { heads, kvHeads, eps } = options
    const [T, D] = table.shape as [number, number]
    const q = empty([T, heads, D], qkv[0]!.dtype)
    const k = empty([T, kvHeads, D], q.dtype)
    const v = empty([T, kvHeads, D], q.dtype)
    const rstds = queryWeights.map((_, i) => empty([qkv[i]!.size(0), heads + kvHeads]))
    qkv.forEach((part, i) =>
      native.split_norm_rope(
        q.handle,
        k.handle,
        v.handle,
        rstds[i]?.handle,
        part.handle,
        table.handle,
        rows[i]?.handle,
        queryWeights[i]?.handle,
        keyWeights[i]?.handle,
        eps,
      ),
    )
    // The backward pass reads them where they were normalised alone.
    const kept = rstds.length > 0 ? qkv : []
    const shapes = qkv.map(({ shape }) => shape)
    return { output: [q, k, v], saved: { kept, shapes, rstds, table, rows, queryWeights, keyWeights } }
  },
  backward([dq, dk, dv]: readonly Tensor[], saved, request) {
    const { kept, shapes, rstds, table, rows, queryWeights, keyWeights } = saved
    const gradientsOf = (name: 'queryWeights' | 'keyWeights') =>
      request.wants(name) ? saved[name].map(({ shape }) => zeros(shape)) : []
    const [dqueryWeights, dkeyWeights] = [gradientsOf('queryWeights'), gradientsOf('keyWeights')]
    const dqkv = shapes.map((shape) => empty(shape, dq!.dtype))
    dqkv.forEach((part, i) =>
      native.split_norm_rope_backward(
        part.handle,
        dqueryWeights[i]?.handle,
        dkeyWeights[i]?.handle,
        dq!.handle,
        dk!.handle,
        dv!.handle,
        table.handle,
        rows[i]?.handle,
        kept[i]?.handle,
        queryWeights[i]?.handle,
        keyWeights[i]?.handle,
        rstds[i]?.handle,
      ),
    )
    return { qkv: dqkv, queryWeights: dqueryWeights, keyWeights: dkeyWeights }
  },
})

/**
 * Queries, keys and values of several parts of a sequence in the sequence's order: `splitRope` of each, where it has `norms`
 * after an RMSNorm of each head of queries and keys (Qwen3's QK-norm), whose `eps` is 1e-5 by default. Row r of a part becomes row
 * rows[r] of the result, by that row of the table.
 *
 * parts: qkv [R, H + 2 G, D], all f32 or all bf16, of T rows in all, whose `rows` name each of 0..T-1 once; all with norms, of the
 * same dtype, or none; table [T, D] f32 from `ropeTable` -> q [T, H, D], k and v [T, G, D].
 * @throws ArgumentError unless shapes and dtypes fit and D is even; reading rejects where a row is not in 0..T-1
 */
export function splitNormRope(
  parts: readonly HeadsPart[],
  table: Tensor,
  heads: number,
  kvHeads: number,
  eps = 1e-5,
): { q: Tensor; k: Tensor; v: Tensor } {
  const [first] = parts
  if (first && parts.length === 1 && !first.rows && !first.norms)
    return splitRope(first.qkv, table, heads, kvHeads)
  const listOf = (choose: (part: HeadsPart) => Tensor | undefined) =>
    parts.map(choose).filter((tensor) => tensor !== undefined)
  const inputs = {
    qkv: parts.map(({ qkv }) => qkv),
    table,
    rows: listOf(({ rows }) => rows),
    queryWeights: listOf(({ norms }) => norms?.query),
    keyWeights: listOf(({ norms }) => norms?.key),
  }
  const [q, k, v] = op(inputs, { heads, kvHeads, eps }) as [Tensor, Tensor, Tensor]
  return { q, k, v }
}
