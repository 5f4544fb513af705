import { keep } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'

/** The sum of one-element tensors, which it frees; NaN where there are none. */
export async function sumOf(tensors: readonly (Tensor | undefined)[]): Promise<number> {
  const values = await Promise.all(tensors.flatMap((tensor) => (tensor ? [readAndFree(tensor)] : [])))
  return values.length === 0 ? NaN : values.reduce((sum, [value]) => sum + value!, 0)
}

/** Enqueues the read; the memory is given back in stream order, after it. */
export function readAndFree(tensor: Tensor): Promise<Float32Array> {
  const values = keep(tensor).readFloats()
  tensor.free()
  return values
}
