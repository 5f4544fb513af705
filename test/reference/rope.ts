import type { HostArray } from '../host_array.js'

/** Cosines, then sines, of positions[t, axes[i]] frequencies[i], where positions and frequencies are f32. */
export function ropeTableReference(
  positions: Float32Array,
  A: number,
  frequencies: Float32Array,
  axes: Int32Array,
): HostArray {
  const half = frequencies.length
  const T = positions.length / A
  const data = Float64Array.from({ length: T * 2 * half }, (_, n) => {
    const i = n % half
    const angle = positions[Math.floor(n / 2 / half) * A + axes[i]!]! * frequencies[i]!
    return n % (2 * half) < half ? Math.cos(angle) : Math.sin(angle)
  })
  return { shape: [T, 2 * half], data }
}

/** qkv [T, H + 2 G, D] with all but the last G heads rotated. */
export function ropeReference(qkv: HostArray, table: HostArray, G: number): HostArray {
  const [, heads, D] = qkv.shape as [number, number, number]
  const data = qkv.data.map((value, n) => {
    const i = n % D
    const head = Math.floor(n / D) % heads
    const t = Math.floor(n / D / heads)
    if (head >= heads - G) return value
    const cosine = table.data[t * D + (i % (D / 2))]!
    const sine = table.data[t * D + D / 2 + (i % (D / 2))]!
    return i < D / 2
      ? value * cosine - qkv.data[n + D / 2]! * sine
      : value * cosine + qkv.data[n - D / 2]! * sine
  })
  return { shape: qkv.shape, data }
}
