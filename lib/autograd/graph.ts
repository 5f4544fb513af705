import type { Device } from '../tensor/device.js'
import type { DType } from '../tensor/dtype.js'
import type { Shape } from '../tensor/shape.js'
import { Tensor } from '../tensor/tensor.js'
import type { AnyOp, Inputs, Saved } from './definition.js'

/** Where the gradient of one input goes. The input itself may be freed before the backward pass. */
export interface Edge {
  shape: Shape
  dtype: DType
  node: Node | undefined
  output: number
  target: Tensor['gradientTarget']
  version: number | undefined
}

/** By the name of the input. */
export type Edges = Record<string, readonly (Edge | undefined)[]>

/** What the tape has of an op: all that its backward pass takes. */
export type RecordedOp = Pick<AnyOp, 'name' | 'backward'>

/** An op that has run, as the backward pass finds it. Thousands are made a second: hence loops, and no lists. */
export class Node {
  static count = 0
  readonly id = Node.count++
  /** The nodes that made its inputs, one for each input. */
  readonly sources: readonly Node[]
  /** Undefined once the backward pass has used it, or nothing can reach it any more. */
  use: { op: RecordedOp; saved: Saved } | undefined
  /** Its output tensors that live, the nodes that lead to it, a backward pass on its way. */
  #users = 0

  constructor(
    op: RecordedOp,
    readonly edges: Edges,
    readonly outputs: readonly { shape: Shape; dtype: DType }[],
    readonly single: boolean,
    saved: Saved,
    /** Where the op ran, and its backward pass will. */
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

  /** Releases it once nobody is left, and then what it alone led to. */
  drop(): void {
    const dropped: Node[] = [this]
    for (const node of dropped) {
      if (--node.#users > 0) continue
      node.release()
      dropped.push(...node.sources)
    }
  }

  /** Frees what it saved, where the tape alone has kept that. */
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

export const wantsGradient = (tensor: Tensor | undefined): tensor is Tensor =>
  tensor?.tapeEntry !== undefined || tensor?.gradientTarget !== undefined

export const nodeOf = (tensor: Tensor | undefined): Node | undefined =>
  tensor?.tapeEntry?.node as Node | undefined

export function edgeTo(input: Tensor | undefined): Edge | undefined {
  if (!wantsGradient(input)) return undefined
  const { shape, dtype, gradientTarget: target } = input
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
