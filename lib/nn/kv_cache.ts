import { native } from '../native.js'
import { gatherRows } from '../ops/gather_rows.js'
import { keep } from '../tensor/scope.js'
import { type Tensor, zeros } from '../tensor/tensor.js'

/** The keys and values of a model's layers for a number of positions; sequences own ranges of slots. */
export class KvCache {
  readonly #layers: { k: Tensor; v: Tensor }[]

  /** `slots` positions, all empty. */
  constructor(slots: number, layers: number, kvHeads: number, headSize: number, dtype: 'f32' | 'bf16') {
    const make = () => zeros([slots, kvHeads, headSize], dtype)
    this.#layers = Array.from({ length: layers }, () => ({ k: make(), v: make() }))
    // Only now: where memory runs out on the way, the open scope frees what there is.
    for (const { k, v } of this.#layers) [k, v].forEach(keep)
  }

  /** Puts k and v [T, G, D] into the given slots [T] of a layer; returns all of the layer's slots. */
  write(layer: number, k: Tensor, v: Tensor, slots: Tensor): { k: Tensor; v: Tensor } {
    const cache = this.#layers[layer]!
    native.write_rows(cache.k.handle, k.handle, slots.handle)
    native.write_rows(cache.v.handle, v.handle, slots.handle)
    return cache
  }

  /**
   * Moves slots: slot i of the new ones, as many as rows [R], holds what slot rows[i] held, nothing where it is -1.
   * Where memory runs out on the way the cache is of no use any more.
   */
  rearrange(rows: Tensor): void {
    for (const layer of this.#layers)
      for (const name of ['k', 'v'] as const) {
        const moved = keep(gatherRows(layer[name], rows))
        layer[name].free()
        layer[name] = moved
      }
  }

  /** Frees keys and values. */
  [Symbol.dispose](): void {
    for (const { k, v } of this.#layers) {
      k.free()
      v.free()
    }
  }
}
