import { native } from '../native.js'
import { scope } from '../tensor/scope.js'
import { elementsOf } from '../tensor/shape.js'
import { empty, type Tensor } from '../tensor/tensor.js'

// The copies of concat and split, each of which is the other's derivative. The kernels take [outer, n, inner].

const aroundAxis = (x: Tensor, axis: number): Tensor =>
  x.view([elementsOf(x.shape.slice(0, axis)), x.shape[axis]!, elementsOf(x.shape.slice(axis + 1))])

/** Joins tensors along an axis; their other axes are the same. */
export function joinAlong(xs: readonly Tensor[], axis: number): Tensor {
  return scope(() => {
    const size = xs.reduce((sum, x) => sum + x.shape[axis]!, 0)
    const y = empty(xs[0]!.shape.with(axis, size), xs[0]!.dtype)
    native.concat(
      aroundAxis(y, axis).handle,
      xs.map((x) => aroundAxis(x, axis).handle),
    )
    return y
  })
}

/** Copies consecutive parts of x along an axis, of these sizes. */
export function cutAlong(x: Tensor, sizes: readonly number[], axis: number): Tensor[] {
  return scope(() => {
    const view = aroundAxis(x, axis)
    let start = 0
    return sizes.map((size) => {
      const part = empty(x.shape.with(axis, size), x.dtype)
      native.slice(aroundAxis(part, axis).handle, view.handle, start)
      start += size
      return part
    })
  })
}
