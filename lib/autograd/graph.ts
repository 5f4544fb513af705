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
export type Edges = Map<string, readonly (Edge | undefined)[]>

/** What the tape has of an op: all that its backward pass takes. */
export type RecordedOp = Pick<AnyOp, 'name' | 'backward'>

/** An op that has run, as the backward pass finds it. */
export class Node {
  static count = 0
  readonly id = Node.count++
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
  ) {
    this.use = { op, saved }
    for (const tensor of savedTensors(saved)) tensor.saves++
    for (const node of this.sources()) node.hold()
  }

  /** The nodes that made its inputs, one for each input. */
  *sources(): Generator<Node> {
    for (const edges of this.edges.values()) for (const edge of edges) if (edge?.node) yield edge.node
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
      dropped.push(...node.sources())
    }
  }

  /** Frees what it saved, where the tape alone has kept that. */
  release(): void {
    for (const tensor of savedTensors(this.use?.saved ?? {}))
      if (--tensor.saves === 0 && tensor.orphaned) tensor.free()
    this.use = undefined
  }
}

const savedTensors = (saved: Saved): Tensor[] =>
  Object.values(saved).flatMap((value) =>
    value instanceof Tensor ? [value] : Array.isArray(value) ? value.filter((v) => v instanceof Tensor) : [],
  )

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

export const edgesTo = (inputs: Inputs): Edges =>
  new Map(Object.entries(inputs).map(([name, input]) => [name, listOf(input).map(edgeTo)]))
