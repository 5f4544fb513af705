import { native } from '../native.js'
import type { DType } from '../tensor/dtype.js'
import { withOpName } from '../tensor/op_name.js'
import { keep, scope } from '../tensor/scope.js'
import { elementsOf, sameShape, type Shape } from '../tensor/shape.js'
import { empty, full, Tensor, zeros } from '../tensor/tensor.js'
import type { AnyOp, GradientRequest, Inputs, Outputs, Saved } from './definition.js'
import { Pending } from './pending.js'

/** Where the gradient of one input goes. The input itself may be freed before the backward pass. */
interface Edge {
  shape: Shape
  dtype: DType
  node: Node | undefined
  output: number
  target: Tensor['gradientTarget']
  version: number | undefined
}

class Node {
  static count = 0
  readonly id = Node.count++
  /** Undefined once the backward pass has used it. */
  use: { op: AnyOp; saved: Saved } | undefined

  constructor(
    op: AnyOp,
    readonly edges: Map<string, readonly (Edge | undefined)[]>,
    readonly outputs: readonly { shape: Shape; dtype: DType }[],
    readonly single: boolean,
    saved: Saved,
  ) {
    this.use = { op, saved }
    for (const tensor of savedTensors(saved)) tensor.saves++
  }

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

let recording = true

/** Runs `body`, which must be synchronous, without recording it for a backward pass. */
export function noGrad<R>(body: () => R): R {
  const outer = recording
  recording = false
  try {
    const result = body()
    if (result instanceof Promise)
      throw new Error('noGrad: the body must be synchronous, it returned a promise')
    return result
  } finally {
    recording = outer
  }
}

const wantsGradient = (tensor: Tensor | undefined): tensor is Tensor =>
  tensor?.tapeEntry !== undefined || tensor?.gradientTarget !== undefined

type OneOrMore = Tensor | readonly (Tensor | undefined)[] | undefined

const listOf = (tensors: OneOrMore): readonly (Tensor | undefined)[] =>
  tensors === undefined ? [] : tensors instanceof Tensor ? [tensors] : tensors

/** Whether an op on these inputs has to be recorded. */
export function isDifferentiated(inputs: Inputs): boolean {
  if (!recording) return false
  for (const name in inputs) if (listOf(inputs[name]).some(wantsGradient)) return true
  return false
}

/** Records an op that has run; called by defineOp. */
export function record(op: AnyOp, inputs: Inputs, output: Outputs, saved: Saved): void {
  const edges = new Map(Object.entries(inputs).map(([name, input]) => [name, listOf(input).map(edgeTo)]))
  const outputs = output instanceof Tensor ? [output] : output
  const node = new Node(
    op,
    edges,
    outputs.map(({ shape, dtype }) => ({ shape, dtype })),
    output instanceof Tensor,
    saved,
  )
  outputs.forEach((tensor, i) => {
    if (tensor.dtype !== 'i32') tensor.tapeEntry = { node, output: i }
  })
}

function edgeTo(input: Tensor | undefined): Edge | undefined {
  if (!wantsGradient(input)) return undefined
  const { shape, dtype, tapeEntry, gradientTarget: target } = input
  const node = tapeEntry?.node as Node | undefined
  return { shape, dtype, node, output: tapeEntry?.output ?? 0, target, version: target?.version }
}

/**
 * Adds d(root)/d(parameter) to the gradient of every parameter that `root` depends on. `root` must have one element.
 * Frees what the ops saved as it goes: a second pass over the same ops throws, and so does a pass over parameters
 * that were updated since.
 */
export function backward(root: Tensor): void {
  if (root.elements !== 1) throw new Error(`backward: the root must have one element, received ${root}`)
  const entry = root.tapeEntry
  if (!entry) throw new Error('backward: the root depends on no parameter, or was computed under noGrad')
  const pending = new Pending<Node>()
  const seed = full(root.shape, 1, root.dtype === 'bf16' ? 'bf16' : 'f32')
  pending.add(entry.node as Node, entry.output, seed)
  try {
    for (const node of nodesBefore(entry.node as Node)) backwardThrough(node, pending)
  } finally {
    pending.free()
  }
}

/** A node and all it depends on, in the reverse of the order in which they ran. */
function nodesBefore(root: Node): Node[] {
  const seen = new Set([root])
  for (const node of seen)
    for (const edges of node.edges.values()) for (const edge of edges) if (edge?.node) seen.add(edge.node)
  return [...seen].toSorted((a, b) => b.id - a.id)
}

function backwardThrough(node: Node, pending: Pending<Node>): void {
  const { use } = node
  if (!use) throw new Error('backward: an op was differentiated twice; run its forward again')
  const { op, saved } = use
  const { backward } = op
  if (backward === 'none') throw new Error(`backward: ${op.name} has no derivative`)
  withOpName(`${op.name} (backward)`, () => {
    checkVersions(node)
    const dys = pending.take(node, node.outputs)
    scope(() => {
      const request = new Request(node)
      const returned = backward(node.single ? dys[0] : dys, saved, request)
      for (const [name, edges] of node.edges) {
        const gradients = request.accumulated(name) ?? listOf(returned[name])
        edges.forEach((edge, i) => edge && gradients[i] && route(edge, gradients[i], pending))
      }
    })
    pending.letGo(...dys)
    node.release()
  })
}

function checkVersions(node: Node): void {
  for (const [name, edges] of node.edges)
    for (const edge of edges)
      if (edge?.target && edge.target.version !== edge.version)
        throw new Error(`backward: parameter ${name} was updated after the forward pass`)
}

class Request implements GradientRequest<Inputs> {
  readonly #node: Node
  readonly #buffers = new Map<string, Tensor>()

  constructor(node: Node) {
    this.#node = node
  }

  wants(input: string): boolean {
    return this.#node.edges.get(input)!.some((edge) => edge !== undefined)
  }

  accumulator(input: string): Tensor | undefined {
    const edge = this.#node.edges.get(input)![0]
    if (!edge) return undefined
    if (edge.target) return edge.target.gradient
    let buffer = this.#buffers.get(input)
    if (!buffer) this.#buffers.set(input, (buffer = zeros(edge.shape)))
    return buffer
  }

  accumulated(input: string): [Tensor] | undefined {
    const buffer = this.#buffers.get(input)
    return buffer && [buffer]
  }
}

/** Sends a gradient on: summed over broadcast axes, then to the parameter or to the node that made the input. */
function route(edge: Edge, gradient: Tensor, pending: Pending<Node>): void {
  const summed = sameShape(gradient.shape, edge.shape) ? gradient : sumTo(gradient, edge.shape)
  if (edge.target) native.accumulate(edge.target.gradient.handle, summed.handle)
  else {
    const cast = summed.dtype === edge.dtype ? summed : castTo(summed, edge.dtype)
    pending.add(edge.node!, edge.output, cast)
  }
}

/** Undoes broadcasting: a view when only sizes of 1 differ. */
function sumTo(gradient: Tensor, shape: Shape): Tensor {
  if (gradient.elements === elementsOf(shape)) return gradient.view(shape)
  const aligned = [...Array<number>(gradient.rank - shape.length).fill(1), ...shape]
  const sum = empty(aligned, gradient.dtype)
  native.sum_to(sum.handle, gradient.handle, 1)
  return sum.view(shape)
}

function castTo(gradient: Tensor, dtype: DType): Tensor {
  const cast = empty(gradient.shape, dtype)
  native.cast(cast.handle, gradient.handle)
  return cast
}

/**
 * Makes a tensor a parameter of its own, with a zeroed gradient: for tests and small programs. Models keep theirs
 * in an arena (nn/arena.ts).
 */
export function trackGradient(tensor: Tensor): Tensor {
  tensor.gradientTarget = { gradient: keep(zeros(tensor.shape)), version: 0 }
  return tensor.gradientTarget.gradient
}
