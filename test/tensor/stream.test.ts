import { EventEmitter, once } from 'node:events'
import { afterAll, describe, expect, test } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { add } from '../../lib/ops/add.js'
import { embedding } from '../../lib/ops/embedding.js'
import { matmul } from '../../lib/ops/matmul.js'
import { sum } from '../../lib/ops/reduce.js'
import { rmsNorm } from '../../lib/ops/rms_norm.js'
import { scale } from '../../lib/ops/scale.js'
import { softmax } from '../../lib/ops/softmax.js'
import { deviceInfo, fence, memory, setThreads } from '../../lib/tensor/device.js'
import { Job } from '../../lib/tensor/job.js'
import { InFlightLimit } from '../../lib/tensor/in_flight_limit.js'
import { startProfile } from '../../lib/profiling/profile.js'
import { fromArray, full, type Tensor } from '../../lib/tensor/tensor.js'
import { generator, randomArray, randomInts, toTensor } from '../host_array.js'

describe('a cancelled job', () => {
  const width = 1024
  // Half a minute of work, were it to run.
  const queueMuch = (x: Tensor) => {
    for (let count = 0; count < 400; count++) matmul(x, x).free()
    return matmul(x, x)
  }

  test('is dropped at once, its reads reject, and its memory comes back', async () => {
    const x = full([width, width], 1)
    await fence()
    const before = memory()
    const job = new Job()
    const product = job.run(() => queueMuch(x))
    const read = job.run(() => product.read())
    expect(memory().pending).toBeGreaterThan(300)
    const profile = startProfile()
    job.cancel()
    await expect(read).rejects.toThrow('the work was cancelled')
    const { kernels } = await profile.stop()
    // At most the product that was running, and the one that began before the call.
    const products = kernels.filter(({ name }) => name === 'matmul')
    expect(products.reduce((sum, { calls }) => sum + calls, 0)).toBeLessThanOrEqual(2)
    await expect(product.read()).rejects.toThrow('the work was cancelled')
    product.free()
    job[Symbol.dispose]()
    expect(memory()).toMatchObject({ live: before.live, tensors: before.tensors })
  })

  test('leaves other jobs alone, queued before and after it', async () => {
    const x = full([width, width], 1)
    const [cancelled, other] = [new Job(), new Job()]
    const earlier = other.run(() => sum(matmul(x, x)).read())
    const lost = cancelled.run(() => queueMuch(x))
    const later = other.run(() => sum(scale(x, 2)).read())
    cancelled.cancel()
    expect(await earlier).toEqual(Float32Array.of(width ** 3))
    expect(await later).toEqual(Float32Array.of(2 * width ** 2))
    await expect(other.run(() => sum(lost).read())).rejects.toThrow('the work was cancelled')
    expect(await scale(full([1], 3), 2).read()).toEqual(Float32Array.of(6))
  })

  test('stays so, within a job that is not', async () => {
    const [outer, inner] = [new Job(), new Job()]
    inner.cancel()
    const [before, lost, after] = outer.run(() => {
      const first = full([1], 1)
      return [first, inner.run(() => full([1], 2)), full([1], 3)] as const
    })
    expect(await before.read()).toEqual(Float32Array.of(1))
    await expect(lost.read()).rejects.toThrow('the work was cancelled')
    expect(await after.read()).toEqual(Float32Array.of(3))
  })
})

test('memory that is reused under 100,000 ops never shows at a read what was not computed', async () => {
  const next = generator(1)
  const integer = (below: number) => Math.floor(next() * below)
  const sizes = [1, 33, 64, 1000]
  // Of each size some tensors, whose element i is known to be start + i * step.
  interface Known {
    tensor: Tensor
    start: number
    step: number
  }
  const upload = (size: number): Known => {
    const [start, step] = [integer(100), integer(100)]
    return { tensor: fromArray(Float32Array.from({ length: size }, (_, i) => start + i * step)), start, step }
  }
  const known = sizes.map((size) => Array.from({ length: 4 }, () => upload(size)))
  let wrong = 0
  let checks: Promise<void>[] = []
  const check = async ({ tensor, start, step }: Known) =>
    (await tensor.readFloats()).forEach((value, i) => {
      if (value !== start + i * step) wrong++
    })

  for (let op = 0; op < 100_000; op++) {
    const group = known[integer(sizes.length)]!
    const [a, b] = [group[integer(group.length)]!, group[integer(group.length)]!]
    const large = Math.max(Math.abs(a.start) + Math.abs(b.start), Math.abs(a.step) + Math.abs(b.step)) > 5000
    const choice = large ? 0 : integer(10)
    if (choice > 7) checks.push(check(a))
    else {
      const made =
        choice < 3
          ? upload(a.tensor.elements)
          : choice < 5
            ? { tensor: scale(a.tensor, -2), start: -2 * a.start, step: -2 * a.step }
            : { tensor: add(a.tensor, b.tensor), start: a.start + b.start, step: a.step + b.step }
      const [replaced] = group.splice(integer(group.length), 1, made)
      replaced!.tensor.free()
    }
    if (checks.length === 200) {
      await Promise.all(checks)
      checks = []
    }
  }
  await Promise.all(checks)
  expect(wrong).toBe(0)
})

describe('InFlightLimit', () => {
  test('goes on while one earlier step is unfinished, and no further', async () => {
    const inFlight = new InFlightLimit()
    const steps = Array.from({ length: 3 }, () => new EventEmitter())
    const passed: string[] = []
    const loop = (async () => {
      for (const [index, step] of steps.entries()) {
        await inFlight.step(once(step, 'end'))
        passed.push(`step ${index}`)
      }
      await inFlight.finish()
      passed.push('finish')
    })()
    const settle = () => new Promise((resolve) => setImmediate(resolve))
    await settle()
    expect(passed).toEqual(['step 0'])
    steps[0]!.emit('end')
    await settle()
    expect(passed).toEqual(['step 0', 'step 1'])
    steps[1]!.emit('end')
    await settle()
    expect(passed).toEqual(['step 0', 'step 1', 'step 2'])
    steps[2]!.emit('end')
    await loop
    expect(passed).toHaveLength(4)
  })

  test('rejects one step after the failure', async () => {
    const inFlight = new InFlightLimit()
    const failed = embedding(full([2, 2], 1), fromArray(Int32Array.of(5)))
    await inFlight.step(failed.read())
    await expect(inFlight.step(fence())).rejects.toThrow('embedding: ids[0] must be -1 or in')
    await inFlight.finish()
  })
})

describe('setThreads', () => {
  afterAll(() => setThreads(deviceInfo('cpu').processors))

  test('throws for what is no number of threads', () => {
    for (const threads of [0, 1.5, NaN, 1025]) expect(() => setThreads(threads)).toThrow(RangeError)
  })

  const random = (...shape: number[]) => toTensor(randomArray(shape))
  const [x, weight, tall, table] = [random(517, 300), random(300, 70), random(2500, 33), random(50, 64)]
  const ids = fromArray(randomInts(5000, 50))

  test.each<[string, () => Tensor]>([
    ['matmul', () => matmul(x, weight)],
    ['matmul, few columns and a long sum', () => matmul(tall, tall, { transposeA: true })],
    ['softmax', () => softmax(x)],
    ['rms_norm', () => rmsNorm(x, full([300], 1))],
    ['sum over rows', () => sum(x, [0])],
    ['sum over everything', () => sum(x)],
    [
      'embedding_backward',
      () => {
        const gradient = trackGradient(table)
        backward(sum(softmax(embedding(table, ids))))
        return gradient
      },
    ],
  ])('changes no bit of %s', async (_, compute) => {
    const withThreads = (threads: number) => {
      setThreads(threads)
      return compute().readFloats()
    }
    const [one, two] = [await withThreads(1), await withThreads(2)]
    expect(Buffer.from(one.buffer).equals(Buffer.from(two.buffer))).toBe(true)
    expect(one.every(Number.isFinite)).toBe(true)
  })
})
