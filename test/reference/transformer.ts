import { type HostArray, hostArray } from '../host_array.js'
import { attentionReference, type HostSpans } from './attention.js'
import { sliceReference } from './axis.js'
import { matmul } from './matmul.js'
import { ropeReference } from './rope.js'
import { gatherReference } from './rows.js'
import { swiglu } from './swiglu.js'

/** A call of a transformer whose position t goes through the weights that `prefixes[t]` begins the names of. */
export interface TransformerCall {
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headSize: number
  readonly normEps: number
  /** By their names; a missing one: the block does without. */
  readonly weight: (name: string) => HostArray | undefined
  /** Which weights each position uses, by layer; undefined: of the last norm. */
  readonly nameAt: (position: number, layer: number | undefined, name: string) => string
  readonly table: HostArray
  readonly spans: HostSpans
}

/** The transformer in float64, position by position but for attention. x [T, C] -> [T, C]. */
export function transformerReference(x: HostArray, call: TransformerCall): HostArray {
  const { layers, heads: H, kvHeads: G, headSize: D, normEps, weight, nameAt } = call
  const T = x.shape[0]!
  const rowAt = (array: HostArray, t: number) => gatherReference(array, Int32Array.of(t))
  /** Computes each position by itself. */
  const each = (
    array: HostArray,
    compute: (row: HostArray, named: (name: string) => HostArray | undefined) => HostArray,
    layer?: number,
  ) => {
    const rows = Array.from({ length: T }, (_, t) =>
      compute(rowAt(array, t), (name) => weight(nameAt(t, layer, name))),
    )
    return hostArray(
      [T, ...rows[0]!.shape.slice(1)],
      rows.flatMap(({ data }) => [...data]),
    )
  }
  const norm = (row: HostArray, by: HostArray): HostArray => {
    const C = by.data.length
    const data = row.data.map((value, i) => {
      const start = i - (i % C)
      const mean = row.data.slice(start, start + C).reduce((sum, v) => sum + v * v, 0) / C
      return (value / Math.sqrt(mean + normEps)) * by.data[i % C]!
    })
    return { shape: row.shape, data }
  }
  const add = (a: HostArray, b: HostArray): HostArray => ({
    shape: a.shape,
    data: a.data.map((v, i) => v + b.data[i]!),
  })
  const reshaped = ({ data }: HostArray, ...shape: number[]): HostArray => ({ shape, data })

  let h = x
  for (let layer = 0; layer < layers; layer++) {
    const qkv = each(
      h,
      (row, named) => {
        const normed = norm(row, named('attention_norm.weight')!)
        const bias = named('attention.qkv.bias')
        const projected = matmul(normed, named('attention.qkv.weight')!, { transposeB: true, bias })
        const [queries, keys] = [H * D, G * D]
        const normedHeads = (start: number, size: number, name: string) => {
          const part = sliceReference(projected, start, size, 1)
          const by = named(name)
          return by ? norm(part, by) : part
        }
        const data = [
          ...normedHeads(0, queries, 'attention.query_norm.weight').data,
          ...normedHeads(queries, keys, 'attention.key_norm.weight').data,
          ...sliceReference(projected, queries + keys, keys, 1).data,
        ]
        return hostArray([1, H + 2 * G, D], data)
      },
      layer,
    )
    const rotated = ropeReference(qkv, call.table, G)
    const part = (start: number, size: number) => sliceReference(rotated, start, size, 1)
    const y = attentionReference(
      { q: part(0, H), k: part(H, G), v: part(H + G, G) },
      call.spans,
      1 / Math.sqrt(D),
    )
    const attended = each(
      reshaped(y, T, H * D),
      (row, named) =>
        matmul(row, named('attention.output.weight')!, {
          transposeB: true,
          bias: named('attention.output.bias'),
        }),
      layer,
    )
    h = add(h, attended)
    const fed = each(
      h,
      (row, named) => {
        const normed = norm(row, named('feed_forward_norm.weight')!)
        const gateUp = matmul(normed, named('feed_forward.gate_up.weight')!, { transposeB: true })
        return matmul(swiglu(gateUp), named('feed_forward.down.weight')!, { transposeB: true })
      },
      layer,
    )
    h = add(h, fed)
  }
  return each(h, (row, named) => norm(row, named('norm.weight')!))
}
