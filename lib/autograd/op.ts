import { ArgumentError } from '../tensor/check.js'
import { withOpName } from '../tensor/op_name.js'
import { Tensor } from '../tensor/tensor.js'
import type { Inputs, OpDefinition, Outputs, Saved } from './definition.js'
import { isDifferentiated, record } from './tape.js'

/** Makes the function that runs an op and, where an input asks for gradients, records it on the tape. */
export function defineOp<I extends Inputs, O, Y extends Outputs, S extends Saved>(
  definition: OpDefinition<I, O, Y, S>,
): (inputs: I, options: O) => Y {
  const { name, forward } = definition
  return (inputs, options) =>
    withOpName(name, () => {
      checkInputs(inputs)
      const { output, saved } = forward(inputs, options)
      if (isDifferentiated(inputs)) record(definition, inputs, output, saved)
      return output
    })
}

function checkInputs(inputs: Inputs): void {
  for (const argument in inputs) {
    const input = inputs[argument]
    if (input instanceof Tensor) checkLive(argument, input)
    else if (Array.isArray(input)) input.forEach((item, i) => checkLive(`${argument}[${i}]`, item))
    else if (input !== undefined) throw new ArgumentError(argument, 'be a tensor', describe(input))
  }
}

function checkLive(argument: string, input: unknown): void {
  if (!(input instanceof Tensor)) throw new ArgumentError(argument, 'be a tensor', describe(input))
  if (input.freed) throw new ArgumentError(argument, 'be a live tensor', `${input} that was freed`)
}

const describe = (value: unknown): string =>
  value === null
    ? 'null'
    : typeof value === 'object'
      ? `a ${value.constructor?.name ?? 'object'}`
      : String(value)
