import { native } from '../native.js'
import type { DType } from '../tensor/dtype.js'
import { keep } from '../tensor/scope.js'
import type { Shape } from '../tensor/shape.js'
import { emptyLike, type Tensor, zeros } from '../tensor/tensor.js'

/**
 * The gradients that a backward pass has computed and not yet used, by the node that made the tensor. Several may share
 * memory, for an op may return the gradient that it received, or a view of it. So a gradient is added in place only where
 * it is the only one in its memory.
 */
export class Pending<Node> {
  readonly #gradients = new Map<Node, (Tensor | undefined)[]>()
  readonly #held = new Set<Tensor>()
  readonly #holders = new Map<object, number>()

  /** Adds a gradient of an output of a node to those that came before. */
  add(node: Node, output: number, gradient: Tensor): void {
    const gradients = this.#gradients.get(node) ?? []
    this.#gradients.set(node, gradients)
    const earlier = gradients[output]
    if (!earlier) gradients[output] = this.#hold(gradient)
    else if (this.#holders.get(earlier.storage) === 1) native.accumulate(earlier.handle, gradient.handle)
    else {
      const sum = emptyLike(earlier)
      native.add(sum.handle, earlier.handle, gradient.handle)
      gradients[output] = this.#hold(sum)
      this.release(earlier)
    }
  }

  /** Adds a gradient whose memory the caller goes on using: nothing is added in place there. */
  addShared(node: Node, output: number, gradient: Tensor): void {
    this.#holders.set(gradient.storage, (this.#holders.get(gradient.storage) ?? 0) + 1)
    this.add(node, output, gradient.view(gradient.shape))
  }

  /** The gradient of an output of a node, as a view that the caller frees. */
  viewOf(node: Node, output: number): Tensor | undefined {
    const gradient = this.#gradients.get(node)?.[output]
    return gradient?.view(gradient.shape)
  }

  /** Removes and returns the gradients of a node's outputs, zeros where there are none. The caller releases them. */
  take(node: Node, outputs: readonly { shape: Shape; dtype: DType }[]): Tensor[] {
    const gradients = this.#gradients.get(node) ?? []
    this.#gradients.delete(node)
    return outputs.map(
      ({ shape, dtype }, i) => gradients[i] ?? this.#hold(zeros(shape, dtype === 'bf16' ? 'bf16' : 'f32')),
    )
  }

  /** Frees gradients, and counts those that are left in their memory. */
  release(...gradients: Tensor[]): void {
    for (const gradient of gradients) {
      const holders = this.#holders.get(gradient.storage)! - 1
      if (holders > 0) this.#holders.set(gradient.storage, holders)
      else this.#holders.delete(gradient.storage)
      this.#held.delete(gradient)
      gradient.free()
    }
  }

  /** Frees the gradients that a pass left when it threw. */
  free(): void {
    for (const gradient of this.#held) gradient.free()
  }

  #hold(gradient: Tensor): Tensor {
    const own = keep(this.#held.has(gradient) ? gradient.view(gradient.shape) : gradient)
    this.#held.add(own)
    this.#holders.set(own.storage, (this.#holders.get(own.storage) ?? 0) + 1)
    return own
  }
}
