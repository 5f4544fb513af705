import { native } from '../native.js'
import { gatherRows } from '../ops/gather_rows.js'
import { currentDevice, type Device } from '../tensor/device.js'
import { keep } from '../tensor/scope.js'
import { type Tensor, zeros } from '../tensor/tensor.js'

/** Where a call of a network keeps the keys and values of its positions. */
export interface CacheUse {
  /** Of all layers. */
  readonly kv: KvCache
  /** `[T]` i32: the slot of each position. */
  readonly slots: Tensor
}

/** The keys and values of a model's layers for a number of positions; sequences own ranges of slots. */
export class KvCache {
  readonly #layers: { k: Tensor; v: Tensor }[]

  /** `slots` positions of `layers` layers, all zeros: keys and values [slots, kvHeads, headSize] each. */
  constructor(
    slots: number,
    layers: number,
    kvHeads: number,
    headSize: number,
    dtype: 'f32' | 'bf16',
    device: Device = currentDevice(),
  ) {
    const make = () => zeros([slots, kvHeads, headSize], dtype, device)
    this.#layers = Array.from({ length: layers }, () => ({ k: make(), v: make() }))
    // Kept only once all are made: where memory runs out before, the open scope frees what there is.
    for (const { k, v } of this.#layers) [k, v].forEach(keep)
  }

  /** Writes k and v [T, G, D] into the given slots [T] of a layer; returns the keys and values [slots, G, D] of all its slots. */
  write(layer: number, k: Tensor, v: Tensor, slots: Tensor): { k: Tensor; v: Tensor } {
    const cache = this.#layers[layer]!
    native.write_rows(cache.k.handle, k.handle, slots.handle)
    native.write_rows(cache.v.handle, v.handle, slots.handle)
    return cache
  }

  /**
   * Moves slots: the cache then has R slots, and slot i holds what slot rows[i] of rows [R] held, zeros where that is -1.
   * Where memory runs out on the way, the cache can only be disposed of.
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
