import { native } from '../native.js'
import { keep } from '../tensor/scope.js'
import { type Tensor, zeros } from '../tensor/tensor.js'

/** The keys and values of a model's layers for `slots` positions; sequences own ranges of slots. */
export class KvCache {
  readonly #layers: { k: Tensor; v: Tensor }[]

  constructor(
    readonly slots: number,
    layers: number,
    kvHeads: number,
    headSize: number,
    dtype: 'f32' | 'bf16',
  ) {
    const make = () => keep(zeros([slots, kvHeads, headSize], dtype))
    this.#layers = Array.from({ length: layers }, () => ({ k: make(), v: make() }))
  }

  /** Puts k and v [T, G, D] into the given slots [T] of a layer; returns all of the layer's slots. */
  write(layer: number, k: Tensor, v: Tensor, slots: Tensor): { k: Tensor; v: Tensor } {
    const cache = this.#layers[layer]!
    native.write_rows(cache.k.handle, k.handle, slots.handle)
    native.write_rows(cache.v.handle, v.handle, slots.handle)
    return cache
  }

  [Symbol.dispose](): void {
    for (const { k, v } of this.#layers) {
      k.free()
      v.free()
    }
  }
}
