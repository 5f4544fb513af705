import type { Penalties } from '../../lib/ops/cross_entropy.js'
import type { HostArray } from '../host_array.js'

/** The loss of each row, in nats; 0 where the label is -1. */
export function crossEntropy(logits: HostArray, labels: Int32Array, weights?: Float32Array): HostArray {
  const [T, V] = logits.shape as [number, number]
  const data = Float64Array.from({ length: T }, (_, t) => {
    if (labels[t]! < 0) return 0
    const row = logits.data.subarray(t * V, (t + 1) * V)
    const largest = row.reduce((most, value) => Math.max(most, value), -Infinity)
    const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0)
    return (weights?.[t] ?? 1) * (largest - row[labels[t]!]! + Math.log(total))
  })
  return { shape: [T], data }
}

/** What label smoothing and z-loss add, each as its paper has it: the target's distribution spelled out. */
export function penalties(
  logits: HostArray,
  labels: Int32Array,
  { labelSmoothing = 0, zLoss = 0 }: Penalties,
  weights?: Float32Array,
): HostArray {
  const [T, V] = logits.shape as [number, number]
  const plain = crossEntropy(logits, labels)
  const data = Float64Array.from({ length: T }, (_, t) => {
    if (labels[t]! < 0) return 0
    const row = logits.data.subarray(t * V, (t + 1) * V)
    const lse = plain.data[t]! + row[labels[t]!]!
    const smoothed = row.reduce((sum, value, v) => {
      const target = labelSmoothing / V + (v === labels[t] ? 1 - labelSmoothing : 0)
      return sum + target * (lse - value)
    }, 0)
    return (weights?.[t] ?? 1) * (smoothed - plain.data[t]! + zLoss * lse ** 2)
  })
  return { shape: [T], data }
}
