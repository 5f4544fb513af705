import { checkArguments } from '../arguments.js'
import { scope } from '../tensor/scope.js'
import { full, Tensor } from '../tensor/tensor.js'
import { withFrozen } from './frozen.js'
import { Node } from './graph.js'
import { backpropagate, leafOf, nodesBefore, withRecording } from './tape.js'

/** What `valueAndGradients` differentiates, and other tensors that are computed on the way to it. */
export interface ValueAndOthers<A> {
  /** One element. */
  value: Tensor
  /** By any names. */
  others: A
}

/**
 * Computes a value and its gradients at given tensors, which need not be parameters (`torch.autograd.grad`, or
 * `jax.value_and_grad`). `body` is called once, with views of the tensors that begin a tape of their own: nothing that they
 * were computed from gets a gradient, nor does any parameter. It must compute from them, and from tensors that depend on no
 * parameter, a tensor of one element.
 *
 * Returns that value, by the names of `inputs` a gradient for each in its shape and dtype, and what else `body` has returned as
 * `others`; none of them is on a tape.
 * @throws Error where the value has more elements, does not depend on one of the tensors, or depends on a tensor from outside
 *   that was computed from parameters
 */
export function valueAndGradients<
  I extends Readonly<Record<string, Tensor>>,
  A extends Readonly<Record<string, Tensor>> = Record<never, Tensor>,
>(
  body: (inputs: I) => Tensor | ValueAndOthers<A>,
  inputs: I,
): ValueAndOthers<A> & { gradients: { [N in keyof I]: Tensor } } {
  checkArguments('valueAndGradients', { body: [body, 'function'], inputs: [inputs, 'object'] })
  for (const [name, input] of Object.entries(inputs))
    checkArguments('valueAndGradients', { [`inputs.${name}`]: [input, 'tensor'] })
  return scope(() => {
    const begin = Node.count
    const leaves = Object.fromEntries(
      Object.entries(inputs).map(([name, input]) => [name, leafOf(input)]),
    ) as Record<keyof I & string, Tensor>
    const returned = withRecording(true, () => withFrozen('all', () => body(leaves as unknown as I)))
    const { value, others } =
      returned instanceof Tensor || !returned?.others ? { value: returned as Tensor, others: {} } : returned
    checkArguments('valueAndGradients', { 'what body returns': [value, 'tensor'] })
    if (value.elements !== 1)
      throw new Error(`valueAndGradients: body must return a tensor of one element, received ${value}`)
    if (nodesBefore([value]).some(({ id }) => id < begin))
      throw new Error(
        'valueAndGradients: body used a tensor from outside that depends on parameters: pass it as one of the inputs, or ' +
          'compute it under noGrad',
      )
    const seed = full(value.shape, 1, value.dtype === 'bf16' ? 'bf16' : 'f32', value.device)
    const found = backpropagate([value], [seed], leaves)
    const gradients = Object.keys(leaves).map((name) => {
      const [gradient] = found[name]!
      if (!gradient) throw new Error(`valueAndGradients: what body returns does not depend on ${name}`)
      return [name, gradient] as const
    })
    return {
      value: value.view(value.shape),
      others: Object.fromEntries(
        Object.entries(others).map(([name, tensor]) => [name, tensor.view(tensor.shape)]),
      ) as A,
      gradients: Object.fromEntries(gradients) as { [N in keyof I]: Tensor },
    }
  })
}
