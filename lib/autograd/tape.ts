import { checkArguments, wrongArgument } from '../arguments.js'
import { native } from '../native.js'
import { withDevice } from '../tensor/device.js'
import type { DType } from '../tensor/dtype.js'
import { currentOp, withOpName } from '../tensor/op_name.js'
import { keep, scope } from '../tensor/scope.js'
import { elementsOf, sameShape, type Shape } from '../tensor/shape.js'
import { empty, full, type GradientTarget, Tensor, zeros } from '../tensor/tensor.js'
import type { GradientRequest, Inputs, Outputs, Saved } from './definition.js'
import {
  type Edge,
  type Edges,
  edgeTo,
  listOf,
  Node,
  nodeOf,
  type RecordedOp,
  targetOf,
  wantsGradient,
} from './graph.js'
import { GradientSum } from './gradient_sum.js'
import { Pending } from './pending.js'

/** The parameters that ops have used in `recompute`'s body, by their targets: the op's argument, and the edge. */
export type Watched = Map<GradientTarget, { name: string; edge: Edge }>

/** Whether ops are recorded; a map: they are not, but the parameters that they use are collected in it. */
let recording: boolean | Watched = true

/** Runs `body`, which must be synchronous, with another mode of recording. */
export function withRecording<R>(mode: boolean | Watched, body: () => R): R {
  const outer = recording
  recording = mode
  try {
    return body()
  } finally {
    recording = outer
  }
}

/**
 * Runs `body`, which must be synchronous, without recording its ops for a backward pass, and returns its result.
 * @throws TypeError where `body` is no function, Error where it returns a promise
 */
export function noGrad<R>(body: () => R): R {
  if (typeof body !== 'function') throw wrongArgument('noGrad', 'body', 'a function', body)
  const result = withRecording(false, body)
  if (result instanceof Promise)
    throw new Error('noGrad: body must be synchronous, received one that returned a promise')
  return result
}

export const isRecording = (): boolean => recording === true

/** Whether an op on these inputs has to be recorded. */
export function isDifferentiated(inputs: Inputs): boolean {
  if (recording === false) return false
  if (recording !== true) {
    watch(inputs, recording)
    return false
  }
  for (const name in inputs) {
    const input = inputs[name]
    if (input instanceof Tensor ? wantsGradient(input) : listOf(input).some(wantsGradient)) return true
  }
  return false
}

function watch(inputs: Inputs, watched: Watched): void {
  for (const argument in inputs)
    for (const tensor of listOf(inputs[argument])) {
      const target = targetOf(tensor)
      if (target)
        watched.set(target, {
          name: `${currentOp()}.${argument}`,
          edge: edgeTo(tensor)!,
        })
      else if (tensor?.tapeEntry)
        throw new Error(
          `${currentOp()}: ${argument} must be computed in recompute's body, or be one of its inputs, where it needs a ` +
            `gradient, received ${tensor} from outside`,
        )
    }
}

/** Records an op that has run. */
export function record(op: RecordedOp, edges: Edges, output: Outputs, saved: Saved): void {
  const outputs = output instanceof Tensor ? [output] : output
  const node = new Node(
    op,
    edges,
    outputs.map(({ shape, dtype }) => ({ shape, dtype })),
    output instanceof Tensor,
    saved,
    outputs[0]!.device,
  )
  outputs.forEach((tensor, i) => {
    if (tensor.dtype !== 'i32') setEntry(tensor, node, i)
  })
}

function setEntry(tensor: Tensor, node: Node, output: number): void {
  node.hold()
  tensor.tapeEntry = { node, output }
}

/**
 * Adds d(root) / d(parameter) to the gradient of every parameter that `root`, a tensor of one element, depends on. It frees
 * what the ops saved as it goes.
 * @throws Error where the root has more elements or depends on no parameter, in a second pass over the same ops, where a
 *   parameter was updated since the forward pass, and where an op has no derivative
 */
export function backward(root: Tensor): void {
  checkArguments('backward', { root: [root, 'tensor'] })
  if (root.elements !== 1) throw new Error(`backward: root must have one element, received ${root}`)
  if (!root.tapeEntry)
    throw new Error(
      `backward: root must depend on a parameter, and not be computed under noGrad, received ${root}`,
    )
  using seed = full(root.shape, 1, root.dtype === 'bf16' ? 'bf16' : 'f32', root.device)
  backpropagate([root], [seed], {})
}

const leafOp: RecordedOp = { name: 'leaf', backward: 'none' }

/** A view of a tensor as a leaf, at which `backpropagate` ends and whose gradient it returns. */
export function leafOf(tensor: Tensor): Tensor {
  const leaf = tensor.view(tensor.shape)
  const { shape, dtype, device } = leaf
  setEntry(leaf, new Node(leafOp, {}, [{ shape, dtype }], true, {}, device), 0)
  return leaf
}

/**
 * The backward pass from `outputs` with the gradients `dys`: accumulates the parameters' gradients and returns those of
 * the leaves, undefined for a tensor that is no leaf or that the outputs do not depend on.
 */
export function backpropagate(
  outputs: readonly Tensor[],
  dys: readonly Tensor[],
  leaves: Inputs,
): Record<string, (Tensor | undefined)[]> {
  const pending = new Pending<Node>()
  outputs.forEach((output, i) => {
    const node = nodeOf(output)
    if (node) pending.addShared(node, output.tapeEntry!.output, dys[i]!)
  })
  const leafNodes = Object.entries(leaves).map(([name, input]) => [name, listOf(input).map(nodeOf)] as const)
  const ends = new Set(leafNodes.flatMap(([, nodes]) => nodes))
  const nodes = nodesBefore(outputs)
  for (const node of nodes) node.hold()
  try {
    for (const node of nodes) if (!ends.has(node)) backwardThrough(node, pending)
    return Object.fromEntries(
      leafNodes.map(([name, nodes]) => [name, nodes.map((node) => node && pending.viewOf(node, 0))]),
    )
  } finally {
    pending.free()
    for (const node of nodes) node.drop()
  }
}

/** The nodes that made these tensors and all that they depend on, the last that ran first. */
export function nodesBefore(outputs: readonly Tensor[]): Node[] {
  const seen = new Set(outputs.map(nodeOf).filter((node) => node !== undefined))
  for (const node of seen) for (const source of node.sources) seen.add(source)
  return [...seen].toSorted((a, b) => b.id - a.id)
}

function backwardThrough(node: Node, pending: Pending<Node>): void {
  const { use } = node
  if (!use) throw new Error('backward: an op was differentiated twice; run its forward again')
  const { op, saved } = use
  const { backward } = op
  if (backward === 'none') throw new Error(`backward: ${op.name} has no derivative`)
  for (const name of op.constants ?? [])
    if (node.edges[String(name)]?.some((edge) => edge))
      throw new Error(`backward: ${op.name} has no derivative for ${String(name)}`)
  withOpName(`${op.name} (backward)`, () => {
    checkVersions(node)
    const run = () => {
      const dys = pending.take(node, node.outputs)
      scope(() => {
        const request = new Request(node)
        const returned = backward(node.single ? dys[0] : dys, saved, request)
        for (const name in node.edges) {
          const gradients = request.accumulated(name) ?? listOf(returned[name])
          node.edges[name]!.forEach((edge, i) => edge && gradients[i] && route(edge, gradients[i], pending))
        }
      })
      pending.release(...dys)
    }
    withDevice(node.device, run)
    node.release()
  })
}

function checkVersions(node: Node): void {
  for (const name in node.edges)
    for (const edge of node.edges[name]!)
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
    return this.#node.edges[input]!.some((edge) => edge !== undefined)
  }

  accumulator(input: string): Tensor | undefined {
    const edge = this.#node.edges[input]![0]
    if (!edge) return undefined
    if (edge.target) return edge.target.gradient
    let buffer = this.#buffers.get(input)
    if (!buffer) this.#buffers.set(input, (buffer = zeros(edge.shape)))
    return buffer
  }

  accumulate(input: string, kernel: (gradient: Tensor, first: boolean) => void): void {
    const edge = this.#node.edges[input]![0]
    if (!edge) return
    if (edge.target) return edge.target.accumulate(kernel)
    const earlier = this.#buffers.get(input)
    const buffer = earlier ?? empty(edge.shape)
    this.#buffers.set(input, buffer)
    kernel(buffer, !earlier)
  }

  accumulated(input: string): [Tensor] | undefined {
    const buffer = this.#buffers.get(input)
    return buffer && [buffer]
  }
}

/** Adds a gradient, summed over broadcast axes, to the parameter's or to that of the node that made the input. */
function route(edge: Edge, gradient: Tensor, pending: Pending<Node>): void {
  const summed = sameShape(gradient.shape, edge.shape) ? gradient : sumTo(gradient, edge.shape)
  if (edge.target) native.accumulate(edge.target.gradient.handle, summed.handle)
  else {
    const cast = summed.dtype === edge.dtype ? summed : castTo(summed, edge.dtype)
    pending.add(edge.node!, edge.output, cast)
  }
}

/** Sums a gradient over the axes that were broadcast; a view where those have size 1. */
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
 * Makes a tensor a parameter, to whose gradient {@link backward} adds, and returns that gradient: zeros, f32, of the
 * tensor's shape. It is meant for tests and small programs; models have their parameters in a {@link ParameterArena}.
 */
export function trackGradient(tensor: Tensor): Tensor {
  checkArguments('trackGradient', { tensor: [tensor, 'tensor'] })
  const gradient = keep(zeros(tensor.shape, 'f32', tensor.device))
  tensor.gradientTarget = new GradientSum(gradient, () => 0)
  return gradient
}
