import type { KvCache } from '../../lib/nn/kv_cache.js'
import { type DeviceLayout, uploadLayout } from '../../lib/models/transfusion/device_layout.js'
import type { TransfusionNetwork } from '../../lib/models/transfusion/model.js'
import type { ModelImages } from '../../lib/models/transfusion/patches.js'
import { type DecodeLayout, decodeLayout } from '../../lib/sequence/decode_layout.js'
import type { Part } from '../../lib/sequence/document.js'
import { type Cursor, sequenceStart } from '../../lib/sequence/layout.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'

/** One call of the model that extends sequences, laid out and uploaded. */
export interface DecodeCall {
  layout: DeviceLayout
  slots: Tensor
  lastRows: Int32Array
  ends: readonly Cursor[]
}

/**
 * Any number of sequences, each with its own part of one cache of keys and values. What a call adds is computed once;
 * later calls see it through the cache.
 */
export class Decoder {
  readonly #model: TransfusionNetwork
  readonly #keyRows: Int32Array
  readonly #cache: KvCache
  readonly #cursors: Cursor[]

  /** `slots`: how many positions each sequence may have. */
  constructor(model: TransfusionNetwork, slots: readonly number[]) {
    this.#model = model
    this.#keyRows = new Int32Array(slots.length + 1)
    slots.forEach((count, b) => (this.#keyRows[b + 1] = this.#keyRows[b]! + count))
    this.#cache = model.createCache(this.#keyRows.at(-1)!)
    this.#cursors = slots.map(() => sequenceStart)
  }

  /** Makes a sequence empty again; what the cache holds of it is overwritten. */
  restart(sequence: number): void {
    this.#cursors[sequence] = sequenceStart
  }

  /** Lays out what follows each sequence; nothing for one that takes no part. Belongs to the open scope. */
  prepare(spans: readonly (readonly Part[])[]): DecodeCall {
    const extensions = spans.map((following, b) => ({ start: this.#cursors[b]!, spans: following }))
    const layout: DecodeLayout = decodeLayout(extensions, this.#keyRows, this.#model.config.image.patch)
    return {
      layout: uploadLayout(layout),
      slots: fromArray(layout.slots),
      lastRows: layout.lastRows,
      ends: layout.ends,
    }
  }

  /**
   * Runs a call: [T, C], the transformer's output at the new positions. Running it again overwrites the keys and
   * values of the first time; `commit` makes the sequences go on after it.
   */
  run({ layout, slots }: DecodeCall, images?: ModelImages): Tensor {
    return this.#model.hidden(layout, images, { kv: this.#cache, slots })
  }

  commit({ ends }: DecodeCall): void {
    ends.forEach((end, b) => (this.#cursors[b] = end))
  }

  [Symbol.dispose](): void {
    this.#cache[Symbol.dispose]()
  }
}
