import { expect } from 'vitest'
import { backward, trackGradient } from '../lib/autograd/tape.js'
import { mul } from '../lib/ops/mul.js'
import { sum } from '../lib/ops/reduce.js'
import { scope } from '../lib/tensor/scope.js'
import type { Tensor } from '../lib/tensor/tensor.js'
import { generator, type HostArray, randomArray, roundTo, roundToBf16, toTensor } from './host_array.js'
import { bf16Factor, f32Tolerance, finiteDifferenceError, type ToleranceClass } from './tolerances.js'

type Arrays = Record<string, HostArray>
type DType = 'f32' | 'bf16'

export interface OpCase<A extends Arrays> {
  /** Floating-point inputs; anything else (ids, options) is closed over. */
  inputs: A
  run: (inputs: { [N in keyof A]: Tensor }) => Tensor
  /** The same in float64. */
  reference: (inputs: A) => HostArray
  /** Inputs whose gradients are checked: all by default, none for ops without a derivative. */
  gradients?: readonly (keyof A & string)[]
  tolerance?: ToleranceClass
  dtypes?: readonly DType[]
  /** Where the output's dtype differs from the inputs'. */
  outputDType?: DType
}

/**
 * Checks an op in one line: forward against a float64 reference on inputs rounded to the dtype, the gradients of
 * sum(y * dy) against central differences of that reference, for each dtype.
 */
export async function checkOp<A extends Arrays>(op: OpCase<A>): Promise<void> {
  for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const)) await checkDType(op, dtype)
}

async function checkDType<A extends Arrays>(op: OpCase<A>, dtype: DType): Promise<void> {
  const names = Object.keys(op.inputs)
  const rounded = Object.fromEntries(names.map((name) => [name, roundTo(op.inputs[name]!, dtype)])) as A
  const expected = op.reference(rounded)
  const checked = op.gradients ?? names
  const outputDType = op.outputDType ?? dtype
  const dy = roundTo(randomArray(expected.shape, 4242), outputDType)

  const tensors = Object.fromEntries(names.map((name) => [name, toTensor(rounded[name]!, dtype)])) as {
    [N in keyof A]: Tensor
  }
  for (const name of checked) trackGradient(tensors[name]!)
  const y = scope(() => {
    const y = op.run(tensors)
    expect(y.shape, `${dtype} shape`).toEqual(expected.shape)
    expect(y.dtype, `${dtype} dtype of the output`).toBe(outputDType)
    if (checked.length > 0) backward(sum(mul(y, toTensor(dy, outputDType))))
    return y
  })
  compare(`${dtype} forward`, await y.readFloats(), expected.data, outputDType, op.tolerance)

  for (const name of checked) {
    const gradient = await tensors[name]!.gradientTarget!.gradient.readFloats()
    checkGradient(`${dtype} gradient of ${name}`, op, rounded, name, dy, gradient, dtype)
    tensors[name]!.gradientTarget!.gradient.free()
  }
  for (const tensor of [y, ...Object.values(tensors)]) tensor.free()
}

/** Fails unless the values agree within the table of tolerances. */
export function compare(
  what: string,
  values: ArrayLike<number>,
  expected: ArrayLike<number>,
  dtype: DType,
  tolerance: ToleranceClass = 'reduction',
): void {
  expect(values.length, `${what}: length`).toBe(expected.length)
  let largest = 0
  let rounding = 0
  let error = 0
  let worst = 0
  for (let i = 0; i < expected.length; i++) {
    const [value, wanted] = [values[i]!, expected[i]!]
    if (!Number.isFinite(value) || !Number.isFinite(wanted)) {
      // No difference tells how far they are apart.
      if (!Object.is(value, wanted)) expect.fail(`${what}: element ${i} is ${value}, expected ${wanted}`)
      continue
    }
    largest = Math.max(largest, Math.abs(wanted))
    rounding = Math.max(rounding, Math.abs(roundToBf16(wanted) - wanted))
    if (Math.abs(value - wanted) > error) {
      error = Math.abs(value - wanted)
      worst = i
    }
  }
  const allowed = f32Tolerance[tolerance] * largest + (dtype === 'bf16' ? bf16Factor * rounding : 0)
  const place = `${what}: element ${worst} is ${values[worst]}, expected ${expected[worst]}`
  expect(error, place).toBeLessThanOrEqual(allowed)
}

/** The most elements of a gradient that are compared one by one. */
const mostPlaces = 48

/**
 * Compares a gradient with central differences of sum(reference * dy): up to 48 elements one by one, and all of them together
 * by the derivative along a direction of random signs. Elements that each are wrong by `allowed` at most then are wrong by
 * more than 6 sqrt(n) allowed once in 30 million directions (Hoeffding), and what is not finite is so in every direction.
 */
function checkGradient<A extends Arrays>(
  what: string,
  op: OpCase<A>,
  inputs: A,
  name: string & keyof A,
  dy: HostArray,
  gradient: Float32Array,
  dtype: DType,
): void {
  const { data } = inputs[name]!
  expect(gradient.length, `${what}: length`).toBe(data.length)
  const next = generator(data.length)
  const places = Array.from({ length: Math.min(mostPlaces, data.length) }, (_, i) =>
    data.length <= mostPlaces ? i : Math.floor(next() * data.length),
  )
  const signs = Float64Array.from(data, () => (next() < 0.5 ? -1 : 1))
  const step = 1e-4
  const objective = () => op.reference(inputs).data.reduce((total, y, i) => total + y * dy.data[i]!, 0)
  const original = data.slice()
  const difference = (move: (distance: number) => void) => {
    move(step)
    const above = objective()
    data.set(original)
    move(-step)
    const below = objective()
    data.set(original)
    return (above - below) / (2 * step)
  }
  const expected = places.map((i) => difference((distance) => (data[i] = original[i]! + distance)))
  const largest = Math.max(...expected.map(Math.abs), 0)
  const rounding = Math.max(...expected.map((g) => Math.abs(roundToBf16(g) - g)), 0)
  const f32Error =
    (f32Tolerance[op.tolerance ?? 'reduction'] + finiteDifferenceError) * Math.max(largest, 1e-2)
  const allowed = f32Error + (dtype === 'bf16' ? bf16Factor * rounding : 0)
  places.forEach((place, i) => {
    const error = Math.abs(gradient[place]! - expected[i]!)
    expect(
      error,
      `${what}: element ${place} is ${gradient[place]}, expected ${expected[i]}`,
    ).toBeLessThanOrEqual(allowed)
  })

  const along = difference((distance) =>
    signs.forEach((sign, i) => (data[i] = original[i]! + sign * distance)),
  )
  const measured = gradient.reduce((total, value, i) => total + value * signs[i]!, 0)
  expect(
    Math.abs(measured - along),
    `${what}: along random signs it is ${measured}, expected ${along}`,
  ).toBeLessThanOrEqual(6 * Math.sqrt(data.length) * allowed)
}
