import type { Device } from '../tensor/device.js'
import type { DType } from '../tensor/dtype.js'
import type { Shape } from '../tensor/shape.js'
import { Tensor } from '../tensor/tensor.js'
import type { AnyOp, Inputs, Saved } from './definition.js'
import { isFrozen } from './frozen.js'

/** Where the gradient of one input goes. The edge outlives the input, which may be freed before the backward pass. */
export interface Edge {
  shape: Shape
  dtype: DType
  node: Node | undefined
  output: number
  target: Tensor['gradientTarget']
  version: number | undefined
}

/** The edges of an op's inputs, by the input's name. */
export type Edges = Record<string, readonly (Edge | undefined)[]>

/** The part of an op that the backward pass needs. */
export type RecordedOp = Pick<AnyOp, 'name' | 'backward' | 'constants'>

/** An op that has run, for the backward pass. Thousands are made in a second, so this code makes no arrays in between. */
export class Node {
  static count = 0
  readonly id = Node.count++
  /** The nodes that made its inputs, one for each input. */
  readonly sources: readonly Node[]
  /** Undefined after the backward pass has used it, or after the last user was dropped. */
  use: { op: RecordedOp; saved: Saved } | undefined
  /** The number of its live output tensors, of nodes that use its outputs, and of running backward passes over it. */
  #users = 0

  constructor(
    op: RecordedOp,
    readonly edges: Edges,
    readonly outputs: readonly { shape: Shape; dtype: DType }[],
    readonly single: boolean,
    saved: Saved,
    /** The device of the op and of its backward pass. */
    readonly device: Device,
  ) {
    this.use = { op, saved }
    this.sources = sourcesOf(edges)
    forEachTensor(saved, (tensor) => tensor.saves++)
    for (const node of this.sources) node.hold()
  }

  hold(): void {
    this.#users++
  }

  /** Removes one user; without users, releases the node and drops those that made its inputs. */
  drop(): void {
    const dropped: Node[] = [this]
    for (const node of dropped) {
      if (--node.#users > 0) continue
      node.release()
      dropped.push(...node.sources)
    }
  }

  /** Gives up the saved tensors and frees those that nothing else uses. */
  release(): void {
    if (!this.use) return
    forEachTensor(this.use.saved, (tensor) => {
      if (--tensor.saves === 0 && tensor.orphaned) tensor.free()
    })
    this.use = undefined
  }
}

function sourcesOf(edges: Edges): Node[] {
  const sources: Node[] = []
  for (const name in edges) for (const edge of edges[name]!) if (edge?.node) sources.push(edge.node)
  return sources
}

function forEachTensor(saved: Saved, visit: (tensor: Tensor) => void): void {
  for (const name in saved) {
    const value = saved[name]
    if (value instanceof Tensor) visit(value)
    else if (Array.isArray(value)) for (const item of value) if (item instanceof Tensor) visit(item)
  }
}

/** Where a parameter's gradient goes; undefined for other tensors, and while it is frozen. */
export function targetOf(tensor: Tensor | undefined): Tensor['gradientTarget'] {
  const target = tensor?.gradientTarget
  return target && isFrozen(target) ? undefined : target
}

export const wantsGradient = (tensor: Tensor | undefined): tensor is Tensor =>
  tensor?.tapeEntry !== undefined || targetOf(tensor) !== undefined

export const nodeOf = (tensor: Tensor | undefined): Node | undefined =>
  tensor?.tapeEntry?.node as Node | undefined

export function edgeTo(input: Tensor | undefined): Edge | undefined {
  if (!wantsGradient(input)) return undefined
  const { shape, dtype } = input
  const target = targetOf(input)
  return {
    shape,
    dtype,
    node: nodeOf(input),
    output: input.tapeEntry?.output ?? 0,
    target,
    version: target?.version,
  }
}

type OneOrMore = Tensor | readonly (Tensor | undefined)[] | undefined

export const listOf = (tensors: OneOrMore): readonly (Tensor | undefined)[] =>
  tensors === undefined ? [] : tensors instanceof Tensor ? [tensors] : tensors

export function edgesTo(inputs: Inputs): Edges {
  const edges: Edges = {}
  for (const name in inputs) {
    const input = inputs[name]
    edges[name] = input instanceof Tensor ? [edgeTo(input)] : listOf(input).map(edgeTo)
  }
  return edges
}
