import { checkArguments } from '../arguments.js'
import { withOpName } from '../tensor/op_name.js'
import { scope } from '../tensor/scope.js'
import { Tensor } from '../tensor/tensor.js'
import type { Inputs, Outputs } from './definition.js'
import { currentlyFrozen, withFrozen } from './frozen.js'
import { edgesTo, listOf, wantsGradient } from './graph.js'
import { backpropagate, isRecording, leafOf, record, type Watched, withRecording } from './tape.js'

/**
 * Gradient checkpointing: runs `body` on `inputs`, saves nothing but the inputs for the backward pass, and runs `body`
 * again there. Outputs and gradients are the same to the bit. Source: Chen et al. 2016, "Training Deep Nets with Sublinear
 * Memory Cost".
 *
 * `body` must compute the same each time. It may use parameters, and other tensors that live until the backward pass; a
 * tensor that was computed from parameters must be one of the inputs. Calls may be nested.
 * @throws Error where `body` uses a tensor from outside that was computed from parameters, or returns a tensor that it did
 *   not compute
 */
export function recompute<I extends Inputs, Y extends Outputs>(body: (inputs: I) => Y, inputs: I): Y {
  checkArguments('recompute', { body: [body, 'function'], inputs: [inputs, 'object'] })
  if (!isRecording()) return body(inputs)
  const watched: Watched = new Map()
  const computed = new Set(
    Object.values(inputs)
      .flatMap(listOf)
      .filter((input) => input?.tapeEntry),
  )
  const output = scope(() => {
    const detached = mapInputs(inputs, (input) => (computed.has(input) ? viewOf(input) : input))
    return ownedBy(withRecording(watched, () => body(detached)))
  })
  const edges = edgesTo(inputs)
  // Their gradients are accumulated when `body` runs again; these edges only check that no parameter was updated since.
  for (const { name, edge } of watched.values()) edges[name] = [...(edges[name] ?? []), edge]
  if (
    Object.values(edges)
      .flat()
      .some((edge) => edge !== undefined)
  ) {
    const frozen = currentlyFrozen()
    const backward = (dy: Outputs, saved: I) => {
      const detached = mapInputs(saved, (input) => (computed.has(input) ? leafOf(input) : input))
      const run = () => withFrozen(frozen, () => withRecording(true, () => body(detached)))
      const repeated = withOpName('', () => scope(run))
      return backpropagate(outputList(repeated), outputList(dy), detached)
    }
    record({ name: 'recompute', backward }, edges, output, inputs)
  }
  return output
}

/** Views of the outputs, which the node owns even where `body` returned an input. */
function ownedBy<Y extends Outputs>(output: Y): Y {
  if (outputList(output).some(wantsGradient))
    throw new Error(
      'recompute: body must return tensors that it computes, received a parameter or a tensor from outside',
    )
  return (output instanceof Tensor ? viewOf(output) : output.map(viewOf)) as Y
}

const viewOf = (tensor: Tensor): Tensor => tensor.view(tensor.shape)

const outputList = (output: Outputs): readonly Tensor[] => (output instanceof Tensor ? [output] : output)

const mapInputs = <I extends Inputs>(inputs: I, map: (tensor: Tensor) => Tensor): I =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => [
      name,
      input instanceof Tensor ? map(input) : input?.map(map),
    ]),
  ) as I
