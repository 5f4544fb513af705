/** Sizes of the axes, from the outermost; [] is a scalar. */
export type Shape = readonly number[]

/** Number of elements of a tensor of this shape. */
export function elementsOf(shape: Shape): number {
  let count = 1
  for (const size of shape) count *= size
  return count
}

/** Whether two shapes have the same sizes. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis])
}

/** A shape as messages show it: "[2, 3]". */
export const formatShape = (shape: Shape): string => `[${shape.join(', ')}]`

/** The shape that two shapes broadcast to (as in NumPy), or undefined when they do not. */
export function broadcastShapes(a: Shape, b: Shape): number[] | undefined {
  const rank = Math.max(a.length, b.length)
  const result: number[] = []
  for (let i = 0; i < rank; i++) {
    const sizeA = a[a.length - rank + i] ?? 1
    const sizeB = b[b.length - rank + i] ?? 1
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1) return undefined
    result.push(sizeA === 1 ? sizeB : sizeA)
  }
  return result
}

/** A shape whose one -1, if any, is replaced by what makes the element count `elements`. */
export function completeShape(shape: Shape, elements: number): number[] {
  const unknown = shape.indexOf(-1)
  const complete = [...shape]
  if (unknown >= 0) {
    const rest = shape.reduce((product, size, axis) => (axis === unknown ? product : product * size), 1)
    complete[unknown] = rest === 0 ? 0 : elements / rest
  }
  return complete
}
