import type { HostArray } from '../host_array.js'

/** silu(gate) up of x [.., 2 F] = gate, then up. */
export function swiglu(x: HostArray): HostArray {
  const F = x.shape.at(-1)! / 2
  const rows = x.data.length / F / 2
  const data = Float64Array.from({ length: rows * F }, (_, i) => {
    const gate = x.data[Math.floor(i / F) * 2 * F + (i % F)]!
    const up = x.data[Math.floor(i / F) * 2 * F + F + (i % F)]!
    return (gate / (1 + Math.exp(-gate))) * up
  })
  return { shape: [...x.shape.slice(0, -1), F], data }
}
