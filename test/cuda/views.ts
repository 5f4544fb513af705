import { describe, expect, it } from 'vitest'
import { cast } from '../../lib/ops/cast.js'
import { type Device, withDevice } from '../../lib/tensor/device.js'
import { elementsOf, type Shape } from '../../lib/tensor/shape.js'
import { fromArray, full, type Tensor } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { randomArray, toTensor } from '../host_array.js'

type DType = 'f32' | 'bf16'

/** Elements around what a kernel is given: of inputs and outputs alike. */
const margin = 16

/** Makes tensors that begin `offset` elements after an aligned address. */
export class Views {
  readonly outputs: Tensor[] = []

  constructor(
    readonly dtype: DType,
    readonly offset: number,
  ) {}

  input(shape: Shape, dtype = this.dtype, seed = 1): Tensor {
    return toTensor(randomArray([elementsOf(shape) + 2 * margin], seed), dtype).view(shape, this.offset)
  }

  /** Is read and written. */
  state(shape: Shape, dtype = this.dtype, seed = 1): Tensor {
    const whole = toTensor(randomArray([elementsOf(shape) + 2 * margin], seed), dtype)
    this.outputs.push(whole)
    return whole.view(shape, this.offset)
  }

  ints(values: readonly number[], shape: Shape = [values.length]): Tensor {
    const data = Int32Array.from({ length: values.length + margin }, (_, i) => values[i - this.offset] ?? 99)
    return fromArray(data).view(shape, this.offset)
  }

  /** Holds 0.5 where nothing is written. */
  output(shape: Shape, dtype = this.dtype): Tensor {
    const filled = full([elementsOf(shape) + 2 * margin], 0.5)
    const whole = dtype === 'bf16' ? cast(filled, dtype) : filled
    this.outputs.push(whole)
    return whole.view(shape, this.offset)
  }
}

/** Fails unless bf16 values are the same or neighbours, f32 values within the tolerance of sums. */
function checkAgreement(what: string, received: Float32Array, wanted: Float32Array, dtype: DType) {
  if (dtype === 'f32') return compare(what, received, wanted, dtype)
  const apart = wanted.findIndex(
    (value, i) => !(Math.abs(received[i]! - value) <= 2 ** -7 * Math.abs(value) + 1e-6),
  )
  expect(apart, `${what}: element ${apart} is ${received[apart]}, that of the CPU ${wanted[apart]}`).toBe(-1)
}

/** The dtypes and values of what a call wrote to, with what is around it. */
function run(device: Device, call: (views: Views) => void, dtype: DType, offset: number) {
  const views = new Views(dtype, offset)
  withDevice(device, () => call(views))
  return Promise.all(
    views.outputs.map(async (whole) => ({ dtype: whole.dtype as DType, values: await whole.readFloats() })),
  )
}

/**
 * Checks that calls of kernels, whose arguments are views that begin anywhere, give what the kernels of the CPU give, and
 * leave what is beside alone. `C` is whole vectors of 16 bytes, or is not.
 */
export function checkCalls(calls: Record<string, (views: Views, C: number) => void>): void {
  describe('kernels on views that begin anywhere agree with those of the CPU and leave what is beside alone', () => {
    it.each(Object.entries(calls))('%s', async (_, call) => {
      for (const dtype of ['f32', 'bf16'] as const)
        for (const offset of [0, 1, 2, 7, 8])
          for (const C of offset === 0 ? [1, 3, 31, 64] : [6, 64]) {
            const [wanted, received] = await Promise.all(
              (['cpu', 'cuda'] as const).map((device) =>
                run(device, (views) => call(views, C), dtype, offset),
              ),
            )
            wanted!.forEach((output, i) =>
              checkAgreement(
                `${dtype} at ${offset}, ${C}: ${i}`,
                received![i]!.values,
                output.values,
                output.dtype,
              ),
            )
          }
    })
  })
}
