// Every op, forward and backward, with a 0 in each of its sizes, and in each axis of each argument.
import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { add } from '../../lib/ops/add.js'
import { cast } from '../../lib/ops/cast.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, full, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { mapTensors, tensorsIn } from '../reliability/op_arguments.js'
import { callOf, type OpCall, opCalls, type WhenNone } from '../reliability/op_calls.js'

/** How the arguments reach an op: as parameters, or as what was computed from them, in either dtype. */
const origins = ['parameters', 'f32 activations', 'bf16 activations'] as const
type Origin = (typeof origins)[number]
type Sizes = Readonly<Record<string, number>>

interface Values {
  shape: readonly number[]
  values: Float32Array | Int32Array
}

async function readAndFree(tensors: readonly Tensor[]): Promise<Values[]> {
  const read = tensors.map(async (tensor) => ({ shape: tensor.shape, values: await tensor.read() }))
  for (const tensor of tensors) tensor.free()
  return Promise.all(read)
}

/** Runs an op and the gradients of the sum of its results. */
async function run(call: OpCall, args: unknown[], origin: Origin) {
  const parameters: Tensor[] = []
  const differentiable = call.gradients ?? [...args.keys()]
  const results = scope(() => {
    const reached = args.map((argument, i) =>
      mapTensors(
        argument,
        (tensor, key) => {
          const alike = call.alike?.includes(key)
          if (tensor.dtype !== 'f32' || !(alike || differentiable.includes(i))) return tensor
          if (alike) return origin === 'bf16 activations' ? cast(tensor, 'bf16') : tensor
          parameters.push(tensor)
          trackGradient(tensor)
          if (origin === 'parameters') return tensor
          return origin === 'f32 activations' ? scale(tensor, 1) : cast(tensor, 'bf16')
        },
        String(i),
      ),
    )
    const outputs = tensorsIn(call.run(...(reached as never[])))
    if (parameters.length > 0) backward(outputs.map((y) => sum(cast(y, 'f32'))).reduce(add))
    return outputs
  })
  const gradients = parameters.map((parameter) => parameter.gradientTarget!.gradient)
  return { results: await readAndFree(results), gradients: await readAndFree(gradients) }
}

/** Memory beside that of a call, which the call must leave alone. */
async function besideGuards<R>(body: () => Promise<R>): Promise<R> {
  const guards = Array.from({ length: 24 }, (_, i) => full([16], i + 1))
  try {
    return await body()
  } finally {
    const read = await readAndFree(guards)
    read.forEach(({ values }, i) => expect([...values]).toEqual(Array<number>(16).fill(i + 1)))
  }
}

const holds: Record<Exclude<WhenNone, 'refused'>, (value: number) => boolean> = {
  zero: (value) => value === 0,
  finite: Number.isFinite,
  NaN: Number.isNaN,
}

/** These sizes 0, the others larger, that what is written for them leaves a block of memory. */
function withZeros(sizes: Sizes, zeros: readonly string[]): Sizes {
  const all = Object.values(sizes)
  const elements = all.reduce((product, size) => product * size)
  const growth = Math.max(1, Math.floor((2 ** 16 / elements) ** (1 / all.length)))
  return Object.fromEntries(
    Object.entries(sizes).map(([name, size]) => [name, zeros.includes(name) ? 0 : growth * size]),
  )
}

/** The shapes of the results where a size is 0: in their axes sizes count once each. */
async function expectedShapes(call: OpCall, size: string): Promise<number[][]> {
  const shapes = async (changed: Sizes) =>
    (await run(call, call.arguments(changed), 'parameters')).results.map(({ shape }) => shape)
  const [once, twice] = [await shapes({}), await shapes({ [size]: 2 * call.sizes[size]! })]
  return once.map((shape, i) => shape.map((extent, axis) => 2 * extent - twice[i]![axis]!))
}

/** Of a run: why it failed, if it did. */
const failureOf = (ran: Promise<unknown>): Promise<string | undefined> =>
  ran.then(
    () => undefined,
    (error: unknown) => String(error instanceof Error ? error.message : error),
  )

/** A run may be right or refused, by the name of an op. */
const expectNamed = async (ran: Promise<unknown>): Promise<void> =>
  expect((await failureOf(ran)) ?? 'none: ').toMatch(/^\w+( \(backward\))?: /)

describe.each(Object.keys(opCalls))('%s', (exported) => {
  const call = callOf(exported)
  const names = Object.keys(call.sizes)
  // bf16 is of values that have gradients.
  const reaching = call.gradients?.length === 0 ? origins.slice(0, 1) : origins

  const outcomes = names.map((size) => ({ size, outcome: call.none?.[size] ?? 'zero' }))
  const refused = outcomes.filter(({ outcome }) => outcome === 'refused')
  const taken = outcomes.flatMap(({ size, outcome }) => (outcome === 'refused' ? [] : [{ size, outcome }]))

  it.each(refused)('refuses $size = 0, naming the op', async ({ size }) => {
    const message = new RegExp(`^(${call.name}|${call.kernel ?? call.name}): `)
    for (const origin of reaching)
      await besideGuards(async () =>
        expect(await failureOf(run(call, call.arguments({ [size]: 0 }), origin))).toMatch(message),
      )
  })

  it.each(taken)('of $size = 0 gives what is $outcome', async ({ size, outcome }) => {
    const shapes = await expectedShapes(call, size)
    for (const origin of reaching)
      await besideGuards(async () => {
        const { results, gradients } = await run(call, call.arguments({ [size]: 0 }), origin)
        const received = results.map(({ shape }) => shape)
        expect(received, origin).toEqual(shapes)
        for (const { shape, values } of [...results, ...gradients]) {
          const wrong = [...values].filter((value) => !holds[outcome](value))
          expect(wrong, `${origin}, ${shape}`).toEqual([])
        }
      })
  })

  it('leaves other memory alone, whichever sizes are 0', async () => {
    const subsets = names.flatMap((a, i) => names.slice(i).map((b) => [a, b])).concat([names])
    for (const subset of subsets)
      for (const origin of reaching)
        await besideGuards(() =>
          expectNamed(run(call, call.arguments(withZeros(call.sizes, subset)), origin)),
        )
  })

  it('leaves other memory alone, whichever axis of an argument is 0', async () => {
    const leaves = tensorsIn(call.arguments())
    const places = leaves.flatMap((leaf, i) => leaf.shape.map((_, axis) => [i, axis] as const))
    for (const [place, axis] of places) {
      let i = 0
      const args = mapTensors(call.arguments(), (tensor) => {
        if (i++ !== place) return tensor
        const shape = tensor.shape.with(axis, 0)
        return tensor.dtype === 'i32' ? fromArray(new Int32Array(0), shape) : zeros(shape)
      }) as unknown[]
      for (const origin of reaching) await besideGuards(() => expectNamed(run(call, args, origin)))
    }
  })
})
