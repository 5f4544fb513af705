import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { noGrad } from '../../lib/autograd/tape.js'
import { ArgumentError } from '../../lib/tensor/check.js'
import { memory, setMemoryLimit } from '../../lib/tensor/device.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, Tensor, zeros } from '../../lib/tensor/tensor.js'
import { callOf, type OpCall, opCalls } from './op_calls.js'

const callsPerOp = 250
const initialLimit = memory().limit
// What asks for more must be refused, not tried.
setMemoryLimit(2 ** 28)
afterAll(() => setMemoryLimit(initialLimit))

/** A seeded sequence of choices (an LCG; the point is variety). */
function choices(seed: number) {
  let state = seed
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  return { below, pick: <T>(values: readonly T[]): T => values[below(values.length)]! }
}
type Choices = ReturnType<typeof choices>

const numbers = [NaN, Infinity, -1, 0, 1.5, 3, 1e9, 2 ** 31, 2 ** 53, -(2 ** 40)]
const strangers = [undefined, null, 'x', 7, {}, [], true, () => 0, 5n, Symbol('s')]
const integers = [-(2 ** 31), -2, -1, 0, 1, 5, 1000, 2 ** 31 - 1]

/** A tensor like this one, but wrong in some way; sometimes it is none at all. */
function badTensor(tensor: Tensor, { below, pick }: Choices): unknown {
  const shape = [...tensor.shape]
  const axis = below(Math.max(1, shape.length))
  const made = (sizes: readonly number[]) => {
    const count = sizes.reduce((a, b) => a * b, 1)
    return tensor.dtype === 'i32'
      ? fromArray(
          Int32Array.from({ length: count }, () => below(3)),
          sizes,
        )
      : zeros(sizes, tensor.dtype as 'f32' | 'bf16')
  }
  switch (below(8)) {
    case 0: {
      const freed = made(shape)
      freed.free()
      return freed
    }
    case 1:
      return tensor.dtype === 'i32'
        ? zeros(shape)
        : made(shape).dtype === 'f32'
          ? zeros(shape, 'bf16')
          : made(shape)
    case 2:
      return made(shape.with(axis, Math.max(0, (shape[axis] ?? 1) + pick([-1, 1, 7]))))
    case 3:
      return made(shape.with(axis, 0))
    case 4:
      return made([...shape, pick([0, 1, 2])])
    case 5:
      return made(shape.slice(1))
    case 6:
      // Of the right shape, with values that are out of any range.
      return tensor.dtype === 'i32'
        ? fromArray(
            Int32Array.from({ length: tensor.elements }, () => pick(integers)),
            shape,
          )
        : fromArray(
            Float32Array.from({ length: tensor.elements }, () => pick(numbers)),
            shape,
          )
    default:
      return pick(strangers)
  }
}

/** The arguments with one leaf replaced. */
function spoiled(value: unknown, random: Choices): unknown {
  if (value instanceof Tensor) return badTensor(value, random)
  if (Array.isArray(value) && value.length > 0) {
    const i = random.below(value.length)
    return value.with(i, spoiled(value[i], random))
  }
  if (typeof value === 'object' && value !== null) {
    const key = random.pick(Object.keys(value))
    return { ...value, [key]: spoiled((value as Record<string, unknown>)[key], random) }
  }
  return random.pick<unknown>([...numbers, ...strangers])
}

const tensorsOf = (value: unknown): Tensor[] =>
  value instanceof Tensor
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(tensorsOf)
      : []

/** What became of a call: the error that it threw or that reading its results gave, if any. */
async function outcome(call: OpCall, args: unknown[]): Promise<Error | undefined> {
  let results: Tensor[]
  try {
    results = noGrad(() => scope(() => tensorsOf(call.run(...(args as never[])))))
  } catch (error) {
    return error as Error
  }
  let failure: Error | undefined
  for (const tensor of results) {
    await tensor.read().catch((error: Error) => (failure = error))
    tensor.free()
  }
  return failure
}

const free = (value: unknown): void => tensorsOf(value).forEach((tensor) => tensor.free())

describe.each(Object.keys(opCalls))('%s', (exported) => {
  const call = callOf(exported)

  it('takes the call that the bad ones are made from', async () => {
    const args = call.arguments()
    expect(await outcome(call, args)).toBeUndefined()
    free(args)
  })

  it(`answers ${callsPerOp} bad calls with errors that name the op, or with a result`, async () => {
    const random = choices(exported.length * 7919 + exported.charCodeAt(0))
    const unnamed: string[] = []
    let refused = 0
    for (let i = 0; i < callsPerOp; i++) {
      const args = call.arguments()
      const bad = spoiled(args, random) as unknown[]
      const error = await outcome(call, bad)
      if (error) refused++
      if (error && ![call.name, call.kernel ?? call.name].some((name) => namesCause(error, name)))
        unnamed.push(`${error.name}: ${error.message}`)
      free(args)
      free(bad)
    }
    expect([...new Set(unnamed)]).toEqual([])
    expect(refused).toBeGreaterThan(callsPerOp / 5)
  })
})

/** Whether an error says which op, and of an argument what was received. */
const namesCause = (error: Error, op: string): boolean =>
  error instanceof Error &&
  error.message.startsWith(op) &&
  (!(error instanceof ArgumentError) || error.message.includes('received'))

it('knows every op of the library', () => {
  const index = readFileSync(new URL('../../lib/entry/tensor.ts', import.meta.url), 'utf8')
  const exported = [...index.matchAll(/export \{([^}]*)\} from '\.\.\/ops\//g)].flatMap(([, names]) =>
    names!.split(',').map((name) => name.trim()),
  )
  const functions = exported.filter((name) => name !== '' && !name.startsWith('type '))
  expect(Object.keys(opCalls).toSorted()).toEqual(functions.toSorted())
})
