import type { HostArray } from '../host_array.js'

/** The intervals of a call; see lib/ops/attention.ts. */
export interface HostSpans {
  keyStart: Int32Array
  keyEnd: Int32Array
  queryRows: Int32Array
  keyRows: Int32Array
}

export interface AttentionInputs {
  q: HostArray
  k: HostArray
  v: HostArray
}

/** One query and head: its row in q, its keys' rows in k and v, and what it makes of them. */
interface Row {
  query: number
  keys: number[]
  probabilities: number[]
}

const dot = (a: Float64Array, i: number, b: Float64Array, j: number, D: number): number => {
  let total = 0
  for (let d = 0; d < D; d++) total += a[i + d]! * b[j + d]!
  return total
}

/** target[to ..] += factor * source[from ..] */
const addRow = (
  target: Float64Array,
  to: number,
  source: Float64Array,
  from: number,
  D: number,
  factor: number,
) => {
  for (let d = 0; d < D; d++) target[to + d]! += factor * source[from + d]!
}

function* rowsOf({ q, k }: AttentionInputs, spans: HostSpans, scale: number): Generator<Row> {
  const [, H, D] = q.shape as [number, number, number]
  const G = k.shape[1]!
  const { keyStart, keyEnd, queryRows, keyRows } = spans
  for (let b = 0; b + 1 < queryRows.length; b++) {
    for (let t = queryRows[b]!; t < queryRows[b + 1]!; t++) {
      for (let h = 0; h < H; h++) {
        const query = (t * H + h) * D
        const g = Math.floor(h / (H / G))
        const keys = Array.from(
          { length: keyEnd[t]! - keyStart[t]! },
          (_, i) => ((keyRows[b]! + keyStart[t]! + i) * G + g) * D,
        )
        const scores = keys.map((key) => scale * dot(q.data, query, k.data, key, D))
        const most = scores.reduce((a, b) => Math.max(a, b))
        const weights = scores.map((score) => Math.exp(score - most))
        const total = weights.reduce((a, b) => a + b)
        yield { query, keys, probabilities: weights.map((weight) => weight / total) }
      }
    }
  }
}

const scaleOf = ({ q }: AttentionInputs) => 1 / Math.sqrt(q.shape[2]!)

/** Attention in float64. q [T, H, D], k and v [K, G, D]. */
export function attentionReference(
  inputs: AttentionInputs,
  spans: HostSpans,
  scale = scaleOf(inputs),
): HostArray {
  const { q, v } = inputs
  const y = new Float64Array(q.data.length)
  for (const { query, keys, probabilities } of rowsOf(inputs, spans, scale))
    keys.forEach((key, i) => addRow(y, query, v.data, key, q.shape[2]!, probabilities[i]!))
  return { shape: q.shape, data: y }
}

/** The gradients of sum(y * dy) in float64: quicker than differences of attentionReference, of every element. */
export function attentionGradients(
  inputs: AttentionInputs,
  spans: HostSpans,
  dy: HostArray,
): Record<'dq' | 'dk' | 'dv', Float64Array> {
  const { q, k, v } = inputs
  const D = q.shape[2]!
  const scale = scaleOf(inputs)
  const [dq, dk, dv] = [q, k, v].map(({ data }) => new Float64Array(data.length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  for (const { query, keys, probabilities } of rowsOf(inputs, spans, scale)) {
    const dp = keys.map((key) => dot(dy.data, query, v.data, key, D))
    const mean = dp.reduce((total, value, i) => total + value * probabilities[i]!, 0)
    keys.forEach((key, i) => {
      const ds = scale * probabilities[i]! * (dp[i]! - mean)
      addRow(dq, query, k.data, key, D, ds)
      addRow(dk, key, q.data, query, D, ds)
      addRow(dv, key, dy.data, query, D, probabilities[i]!)
    })
  }
  return { dq, dk, dv }
}

/** Documents in a row, each a list of its parts' lengths: text above zero, an image below. */
export function packedSpans(documents: readonly (readonly number[])[]): HostSpans {
  const keyStart: number[] = []
  const keyEnd: number[] = []
  for (const document of documents) {
    const start = keyStart.length
    for (const part of document) {
      const end = keyStart.length + Math.abs(part)
      for (let position = keyStart.length; position < end; position++) {
        keyStart.push(start)
        keyEnd.push(part < 0 ? end : position + 1)
      }
    }
  }
  const rows = Int32Array.of(0, keyStart.length)
  return {
    keyStart: Int32Array.from(keyStart),
    keyEnd: Int32Array.from(keyEnd),
    queryRows: rows,
    keyRows: rows,
  }
}
