import { describe, expect, it } from 'vitest'
import { ParameterArena } from '../../lib/nn/arena.js'
import { ParameterList } from '../../lib/nn/parameters.js'
import { memory } from '../../lib/tensor/device.js'
import { AdamW, adamwSchema } from '../../lib/training/adamw.js'
import { Ema } from '../../lib/training/ema.js'
import { learningRateAt, learningRateSchema, learningRateWarnings } from '../../lib/training/learning_rate.js'
import { compare } from '../check_op.js'
import { checkRoundedValues, checkSkippedStep, randomValues } from './optimizer_checks.js'

function newArena(compute: 'f32' | 'bf16' = 'f32'): ParameterArena {
  const list = new ParameterList()
  list.add('norm', [7], { value: 1 })
  list.add('matrix', [5, 3], { std: 1 })
  const arena = new ParameterArena(list.parameters, compute)
  arena.initialize(1)
  return arena
}

describe('learningRateAt', () => {
  it('warms up in a line, then falls along a cosine, with the defaults of the paper', () => {
    const options = learningRateSchema.parse({})
    expect(learningRateAt(options, 0, 0)).toBeCloseTo(3e-4 / 4000, 12)
    expect(learningRateAt(options, 1999, 0)).toBeCloseTo(1.5e-4, 12)
    expect(learningRateAt(options, 3999, 0)).toBeCloseTo(3e-4, 12)
    expect(learningRateAt(options, 100_000, 0.5)).toBeCloseTo((3e-4 + 1.5e-5) / 2, 12)
    expect(learningRateAt(options, 250_000, 1)).toBeCloseTo(1.5e-5, 12)
    expect(learningRateAt(options, 250_000, 1.1)).toBeCloseTo(1.5e-5, 12)
  })

  it('comes to its peak after a tenth of a short run, by steps or by time', () => {
    const { peak } = learningRateSchema.parse({})
    const options = learningRateSchema.parse({ final: peak })
    const rates = Array.from({ length: 300 }, (_, step) => learningRateAt(options, step, step / 300))
    expect(rates[15]).toBeCloseTo(peak / 2, 12)
    expect(rates[29]).toBeLessThan(peak)
    expect(rates.slice(30)).toEqual(Array.from({ length: 270 }, () => peak))
    const long = Array.from({ length: 4000 }, (_, step) => learningRateAt(options, step, step / 40_000))
    expect(long).toEqual(Array.from({ length: 4000 }, (_, step) => ((step + 1) / 4000) * peak))
  })

  it('warns of a warm-up that does not end, and of a rate that rises', () => {
    const warningsOf = (options: object, steps?: number) =>
      learningRateWarnings(learningRateSchema.parse(options), steps)
    expect(warningsOf({ warmupSteps: 4000 }, 300)).toEqual([
      expect.stringContaining('learningRate.warmupSteps: 4000 of 300 steps'),
    ])
    expect(warningsOf({ warmupSteps: 300 }, 300)).toHaveLength(1)
    expect(warningsOf({ warmupSteps: 299 }, 300)).toEqual([])
    expect(warningsOf({}, 300)).toEqual([])
    expect(warningsOf({ warmupSteps: 4000 })).toEqual([])
    expect(warningsOf({ peak: 1e-5 }, 300)).toEqual([
      expect.stringContaining('learningRate.final: 0.000015 is above the peak, 0.00001'),
    ])
  })

  it('starts at the peak without a warm-up', () => {
    expect(learningRateAt({ peak: 1, final: 0, warmupSteps: 0 }, 0, 0)).toBe(1)
  })
})

describe('AdamW', () => {
  const options = adamwSchema.parse({ clip: 2 })

  it('agrees with the formula, decays matrices alone, and zeroes the gradients', async () => {
    using arena = newArena()
    using optimizer = new AdamW(arena, options)
    const decayed = 32
    expect(arena.ranges(({ decay }) => decay)).toEqual([{ start: 0, length: decayed }])
    expect(arena.ranges(({ decay }) => !decay)).toEqual([{ start: decayed, length: 32 }])
    expect(arena.ranges(() => true)).toEqual([{ start: 0, length: 64 }])
    const expected = Float64Array.from(await arena.values.readFloats())
    const [m, v] = [new Float64Array(expected.length), new Float64Array(expected.length)]
    for (let t = 1; t <= 3; t++) {
      const gradients = randomValues(arena, t)
      const norm = Math.hypot(...gradients)
      const factor = Math.min(1, options.clip / norm)
      const rate = 0.01 * t
      arena.gradients.write(gradients)
      using clip = optimizer.step(rate)
      expected.forEach((p, i) => {
        const g = gradients[i]! * factor
        m[i] = 0.9 * m[i]! + 0.1 * g
        v[i] = 0.95 * v[i]! + 0.05 * g * g
        const update = m[i]! / (1 - 0.9 ** t) / (Math.sqrt(v[i]! / (1 - 0.95 ** t)) + 1e-8)
        expected[i] = p - rate * (update + (i < decayed ? 0.1 * p : 0))
      })
      compare('clip', await clip.readFloats(), [norm, factor, 1], 'f32', 'elementwise')
      compare(`values after step ${t}`, await arena.values.readFloats(), expected, 'f32', 'elementwise')
      expect((await arena.gradients.readFloats()).every((g) => g === 0)).toBe(true)
    }
  })

  it.each(['f32', 'bf16'] as const)(
    'leaves everything as it was for a gradient that is not finite (%s)',
    (compute) =>
      checkSkippedStep(
        () => newArena(compute),
        (arena) => new AdamW(arena, options),
      ),
  )

  it('goes on to the bit from a copy of its state', async () => {
    using arena = newArena()
    using optimizer = new AdamW(arena, options)
    using copiedArena = newArena()
    using copy = new AdamW(copiedArena, options)
    const step = (t: number) => {
      for (const [a, o] of [
        [arena, optimizer],
        [copiedArena, copy],
      ] as const) {
        a.gradients.write(randomValues(a, t))
        o.step(0.1).free()
      }
    }
    step(1)
    arena.gradients.write(randomValues(arena, 2))
    optimizer.step(0.1).free()
    copiedArena.restore(arena.values)
    for (const [name, tensor] of optimizer.state) copy.state.get(name)!.write(await tensor.read())
    step(3)
    expect(await copiedArena.values.readFloats()).toEqual(await arena.values.readFloats())
    expect(await copy.state.get('steps')!.readInts()).toEqual(Int32Array.of(3))
  })

  it('renews the rounded values that a bf16 model computes with', async () => {
    using arena = newArena('bf16')
    await checkRoundedValues(arena, (arena) => new AdamW(arena, options))
  })
})

describe('Ema', () => {
  it('averages with a decay that grows to its largest, and lends its weights', async () => {
    using arena = newArena()
    using ema = new Ema(arena, 0.3)
    const average = Float64Array.from(await arena.values.readFloats())
    for (let n = 0; n < 6; n++) {
      const values = randomValues(arena, n + 1)
      arena.values.write(values)
      ema.update()
      const decay = Math.min(0.3, (1 + n) / (10 + n))
      average.forEach((a, i) => (average[i] = decay * a + (1 - decay) * values[i]!))
    }
    const own = await arena.values.readFloats()
    await ema.using(async () =>
      compare('average', await arena.values.readFloats(), average, 'f32', 'elementwise'),
    )
    expect(await arena.values.readFloats()).toEqual(own)
    await expect(ema.using(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
    await expect(ema.using(() => ema.using(() => Promise.resolve()))).rejects.toThrow('in use already')
    expect(await arena.values.readFloats()).toEqual(own)
    expect(await ema.updates.readInts()).toEqual(Int32Array.of(6))
    ema.swap()
    expect(ema.swappedIn).toBe(true)
    compare('swapped', await arena.values.readFloats(), average, 'f32', 'elementwise')
  })

  it('takes the memory of one copy of the weights, while they are swapped in too', async () => {
    using arena = newArena()
    const before = memory()
    using ema = new Ema(arena, 0.3)
    await ema.using(async () => {
      const { live, tensors } = memory()
      expect(tensors).toBe(before.tensors + 2)
      expect(live - before.live).toBeLessThan(2 * arena.values.bytes)
    })
  })
})
