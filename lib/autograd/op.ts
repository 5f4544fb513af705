import { checkArguments } from '../arguments.js'
import { ArgumentError, shown } from '../tensor/argument_error.js'
import { currentDevice, type Device, withDevice } from '../tensor/device.js'
import { withOpName } from '../tensor/op_name.js'
import { Tensor } from '../tensor/tensor.js'
import type { Inputs, OpDefinition, Outputs, Saved } from './definition.js'
import { edgesTo } from './graph.js'
import { isDifferentiated, record } from './tape.js'

/** Makes the function that runs an op and, where an input needs a gradient, records it on the tape. */
export function defineOp<I extends Inputs, O, Y extends Outputs, S extends Saved>(
  definition: OpDefinition<I, O, Y, S>,
): (inputs: I, options: O) => Y {
  checkArguments('defineOp', { definition: [definition, 'object'] })
  const { name, forward, lists = [], optional = [] } = definition
  const [listNames, optionalNames] = [new Set<PropertyKey>(lists), new Set<PropertyKey>(optional)]
  return (inputs, options) =>
    withOpName(name, () => {
      checkInputs(inputs, listNames, optionalNames)
      const { output, saved } = withDevice(deviceOf(inputs), () => forward(inputs, options))
      if (isDifferentiated(inputs)) {
        record(definition, edgesTo(inputs), output, saved)
      }
      return output
    })
}

/** The device of an op's outputs and scratch: that of its first tensor. The addon refuses tensors of several devices. */
function deviceOf(inputs: Inputs): Device {
  for (const argument in inputs) {
    const input = inputs[argument]
    const tensor = input instanceof Tensor ? input : input?.[0]
    if (tensor) return tensor.device
  }
  return currentDevice()
}

type Names = ReadonlySet<PropertyKey>

function checkInputs(inputs: Inputs, lists: Names, optional: Names): void {
  for (const argument in inputs) {
    const input = inputs[argument]
    if (lists.has(argument)) checkList(argument, input)
    else if (input !== undefined || !optional.has(argument)) checkLive(argument, input)
  }
}

function checkList(argument: string, input: unknown): void {
  if (!Array.isArray(input)) throw new ArgumentError(argument, 'be an array of tensors', describe(input))
  input.forEach((item, i) => checkLive(`${argument}[${i}]`, item))
}

function checkLive(argument: string, input: unknown): void {
  if (!(input instanceof Tensor)) throw new ArgumentError(argument, 'be a tensor', describe(input))
  if (input.freed) throw new ArgumentError(argument, 'be a live tensor', `${input} that was freed`)
}

const describe = (value: unknown): string =>
  value === null
    ? 'null'
    : typeof value === 'object'
      ? `a ${value.constructor?.name ?? 'object'}${isForeign(value) ? ' of another copy of transfusion-js' : ''}`
      : shown(value)

/** Whether this is a tensor of another copy of this package: another class of the same name. */
const isForeign = (value: object): boolean => value.constructor?.name === Tensor.name
