import { afterEach, describe, expect, it } from 'vitest'
import { type ComputeType, ParameterArena } from '../../lib/nn/arena.js'
import { type Parameter, ParameterList } from '../../lib/nn/parameters.js'
import { setThreads } from '../../lib/tensor/device.js'
import { elementsOf } from '../../lib/tensor/shape.js'
import { parseConfig } from '../../lib/config/parse.js'
import { AdamW, adamwSchema } from '../../lib/training/adamw.js'
import { matrixBatches } from '../../lib/training/matrix_batches.js'
import { Muon, muonSchema } from '../../lib/training/muon.js'
import { trainingOptionsSchema } from '../../lib/training/options.js'
import { compare } from '../check_op.js'
import { randomArray } from '../host_array.js'
import { checkRoundedValues, checkSkippedStep, randomValues } from './optimizer_checks.js'

const options = muonSchema.parse({ clip: 2 })
const iterationCounts = [3, 5] as const

/** Matrices of every form, one of them two in one, between others that are AdamW's. */
function newArena(compute: ComputeType = 'f32'): ParameterArena {
  const list = new ParameterList()
  list.add('embedding', [7, 5], { std: 1 })
  list.add('fused', [9, 4], { std: 1 }, [4, 5])
  list.add('norm', [7], { value: 1 })
  list.add('wide', [4, 33], { std: 1 }, [4])
  list.add('square', [4, 4], { std: 1 }, [4])
  list.add('output', [3, 5], { std: 1 })
  const arena = new ParameterArena(list.parameters, compute)
  arena.initialize(1)
  return arena
}

type Matrix = Float64Array[]

const transposed = (a: Matrix): Matrix => Array.from(a[0]!, (_, j) => Float64Array.from(a, (row) => row[j]!))
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) =>
    Float64Array.from(b[0]!, (_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)),
  )
const combine = (factors: number[], ...matrices: Matrix[]): Matrix =>
  matrices[0]!.map((row, i) =>
    row.map((_, j) => matrices.reduce((sum, matrix, k) => sum + factors[k]! * matrix[i]![j]!, 0)),
  )

const polynomials = {
  3: [
    [7.9347, -22.2581, 15.8015],
    [3.5653, -2.5649, 0.486],
    [2.6091, -1.8631, 0.4099],
  ],
  5: Array.from({ length: 5 }, () => [3.4445, -4.775, 2.0315]),
}

/** The iterations as Jordan writes them, on matrices that lie down. */
function orthogonal(matrix: Matrix, iterations: 3 | 5): Matrix {
  if (matrix.length > matrix[0]!.length) return transposed(orthogonal(transposed(matrix), iterations))
  const norm = Math.hypot(...matrix.flatMap((row) => [...row]))
  let x = combine([1 / norm], matrix)
  for (const [a, b, c] of polynomials[iterations]) {
    const gram = product(x, transposed(x))
    x = combine([a!, 1], x, product(combine([b!, c!], gram, product(gram, gram)), x))
  }
  return x
}

const rowsOf = (values: Float64Array, start: number, rows: number, columns: number): Matrix =>
  Array.from({ length: rows }, (_, i) => values.slice(start + i * columns, start + (i + 1) * columns))

afterEach(() => setThreads(2))

describe('matrixBatches', () => {
  it('finds the matrices that parameters are made of, those of one shape together', () => {
    using arena = newArena()
    const named = (name: string) => arena.parameters.find((p) => p.name === name)!
    const [fused, square, wide] = [named('fused'), named('square'), named('wide')]
    const start = (parameter: Parameter) => arena.startOf(parameter)
    expect(matrixBatches(arena)).toEqual([
      { rows: 4, columns: 4, starts: [start(fused), start(square)], parameters: [fused, square] },
      { rows: 5, columns: 4, starts: [start(fused) + 16], parameters: [fused] },
      { rows: 4, columns: 33, starts: [start(wide)], parameters: [wide] },
    ])
  })
})

describe('Muon', () => {
  it.each(iterationCounts)(
    'agrees with a float64 step of %i iterations, AdamW for the rest',
    async (iterations) => {
      using arena = newArena()
      using optimizer = new Muon(arena, { ...options, iterations })
      using reference = newArena()
      using adamw = new AdamW(reference, adamwSchema.parse({ clip: 2 }))
      const expected = Float64Array.from(await arena.values.readFloats())
      const momentum = new Float64Array(arena.elements)
      for (let t = 1; t <= 3; t++) {
        const gradients = randomValues(arena, t)
        const norm = Math.hypot(...gradients)
        const factor = Math.min(1, 2 / norm)
        const rate = 0.5 * t
        for (const target of [arena, reference]) target.gradients.write(gradients)
        using clip = optimizer.step(rate)
        adamw.step(rate).free()
        const direction = gradients.map((gradient, i) => {
          momentum[i] = 0.95 * momentum[i]! + 0.05 * factor * gradient
          return 0.95 * momentum[i]! + 0.05 * factor * gradient
        })
        for (const { rows, columns, starts } of matrixBatches(arena))
          for (const start of starts) {
            const update = orthogonal(rowsOf(Float64Array.from(direction), start, rows, columns), iterations)
            const scale = 0.2 * Math.sqrt(Math.max(rows, columns))
            update.forEach((row, i) =>
              row.forEach((value, j) => {
                const at = start + i * columns + j
                expected[at] = expected[at]! - rate * (scale * value + 0.1 * expected[at]!)
              }),
            )
          }
        compare('clip', await clip.readFloats(), [norm, factor, 1], 'f32', 'elementwise')
        const adamwValues = await reference.values.readFloats()
        for (const parameter of arena.parameters) {
          const [start, end] = [
            arena.startOf(parameter),
            arena.startOf(parameter) + elementsOf(parameter.shape),
          ]
          const wanted = parameter.matrixRows ? expected : adamwValues
          using values = arena.valuesOf(parameter)
          const what = `${parameter.name} after step ${t}`
          compare(what, await values.readFloats(), wanted.subarray(start, end), 'f32')
        }
        expect((await arena.gradients.readFloats()).every((gradient) => gradient === 0)).toBe(true)
      }
    },
  )

  it('has in bf16 nearly the same directions', async () => {
    const updates: Float32Array[] = []
    for (const compute of ['f32', 'bf16'] as const) {
      using arena = newArena(compute)
      using optimizer = new Muon(arena, muonSchema.parse({ weightDecay: 0 }))
      const wide = arena.parameters.find(({ name }) => name === 'wide')!
      using values = arena.valuesOf(wide)
      const before = await values.readFloats()
      arena.gradients.write(randomValues(arena, 1))
      optimizer.step(1).free()
      updates.push((await values.readFloats()).map((value, i) => value - before[i]!))
    }
    const [a, b] = updates as [Float32Array, Float32Array]
    const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
    expect(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))).toBeGreaterThan(0.999)
    expect(dot(b, b) / dot(a, a)).toBeCloseTo(1, 1)
  })

  it.each(iterationCounts)(
    'keeps singular values below 1.3 in bf16, of matrices of any rank (%i)',
    async (iterations) => {
      const [rows, columns] = [64, 96]
      for (const rank of [1, 2, 64]) {
        const list = new ParameterList()
        list.add('matrix', [rows, columns], { value: 0 }, [rows])
        using arena = new ParameterArena(list.parameters, 'bf16')
        using optimizer = new Muon(arena, muonSchema.parse({ weightDecay: 0, iterations }))
        const factors = randomArray([rank, rows + columns]).data
        const of = (i: number, j: number) =>
          Array.from(
            { length: rank },
            (_, r) => factors[r * (rows + columns) + i]! * factors[r * (rows + columns) + rows + j]!,
          )
        arena.gradients.write(
          Float32Array.from({ length: rows * columns }, (_, at) =>
            of(Math.floor(at / columns), at % columns).reduce((a, b) => a + b),
          ),
        )
        optimizer.step(-1).free()
        const update = rowsOf(Float64Array.from(await arena.values.readFloats()), 0, rows, columns)
        // The largest singular value by power iteration.
        let v: Matrix = [Float64Array.from({ length: columns }, (_, i) => 1 + (i % 3))]
        let largest = 0
        for (let i = 0; i < 50; i++) {
          const next = product(product(v, transposed(update)), update)
          largest = Math.sqrt(Math.hypot(...next[0]!) / Math.hypot(...v[0]!))
          v = combine([1 / Math.hypot(...next[0]!)], next)
        }
        largest /= 0.2 * Math.sqrt(columns)
        expect(largest).toBeGreaterThan(0.65)
        expect(largest).toBeLessThan(1.3)
      }
    },
  )

  it('moves nothing where a matrix has no gradient, and bears gradients of any size', async () => {
    using arena = newArena()
    using optimizer = new Muon(arena, muonSchema.parse({ weightDecay: 0, clip: 1e30 }))
    const before = await arena.values.readFloats()
    optimizer.step(1).free()
    expect(await arena.values.readFloats()).toEqual(before)
    const steps: Float32Array[] = []
    for (const size of [1e-15, 1, 1e15]) {
      using sized = newArena()
      using other = new Muon(sized, muonSchema.parse({ weightDecay: 0, clip: 1e30 }))
      sized.gradients.write(randomValues(sized, 1).map((value) => value * size))
      other.step(1).free()
      using square = sized.valuesOf(sized.parameters.find(({ name }) => name === 'square')!)
      steps.push(await square.readFloats())
    }
    for (const values of steps) compare('values', values, steps[1]!, 'f32')
  })

  it.each(['f32', 'bf16'] as const)(
    'leaves everything as it was for a gradient that is not finite (%s)',
    (compute) =>
      checkSkippedStep(
        () => newArena(compute),
        (arena) => new Muon(arena, options),
      ),
  )

  it('renews the rounded values that a bf16 model computes with', async () => {
    using arena = newArena('bf16')
    await checkRoundedValues(arena, (arena) => new Muon(arena, options))
  })

  it.each(['f32', 'bf16'] as const)(
    'gives the same bits with any number of threads (%s)',
    async (compute) => {
      const results: Float32Array[] = []
      for (const threads of [1, 2, 3]) {
        setThreads(threads)
        const list = new ParameterList()
        for (let i = 0; i < 3; i++) list.add(`${i}`, [3 * 64, 64], { std: 1 }, [64, 64, 64])
        list.add('tall', [352, 128], { std: 1 }, [352])
        list.add('wide', [33, 2100], { std: 1 }, [33])
        using arena = new ParameterArena(list.parameters, compute)
        arena.initialize(1)
        using optimizer = new Muon(arena, options)
        for (let t = 0; t < 2; t++) {
          arena.gradients.write(randomValues(arena, t))
          optimizer.step(0.1).free()
        }
        results.push(await arena.values.readFloats())
      }
      expect(results[1]).toEqual(results[0])
      expect(results[2]).toEqual(results[0])
    },
  )
})

describe('the optimizer in the options of training', () => {
  it('is AdamW unless it says muon', () => {
    expect(trainingOptionsSchema.parse({ steps: 1, optimizer: { clip: 3 } }).optimizer).toEqual({
      type: 'adamw',
      ...adamwSchema.parse({ clip: 3 }),
    })
    expect(trainingOptionsSchema.parse({ steps: 1, optimizer: { type: 'muon' } }).optimizer).toEqual({
      type: 'muon',
      ...muonSchema.parse({}),
    })
  })

  it.each([
    [{ type: 'mouon' }, 'optimizer.type: did you mean "muon"? Expected "adamw" or "muon"; received "mouon"'],
    [{ momentum: 0.9 }, 'optimizer.momentum: unknown key'],
    [{ type: 'muon', momentum: 1 }, 'optimizer.momentum: expected number to be <1; received 1'],
  ])('is refused as %j', (optimizer, message) => {
    expect(() => parseConfig(trainingOptionsSchema, { steps: 1, optimizer }, 'options')).toThrow(message)
  })
})
