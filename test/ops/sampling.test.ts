import { afterEach, describe, expect, it } from 'vitest'
import { argmax, sampleTokens } from '../../lib/ops/sampling.js'
import { philox, randomSeeds, uniformOf } from '../../lib/random.js'
import { currentDevice, setThreads } from '../../lib/tensor/device.js'
import { fromArray, full, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { type HostArray, randomArray, roundTo, toTensor } from '../host_array.js'

interface Options {
  temperature: number
  topK: number
  topP: number
  minP: number
  bias?: Float32Array
}

const plain: Options = { temperature: 1, topK: 0, topP: 1, minP: 0 }
const seedsOf = (rows: number) => randomSeeds(21, 'token', 0, rows)

function sample(logits: Tensor, options: Options | Options[], seeds = seedsOf(logits.size(0))): Tensor {
  const rows = Array.isArray(options) ? options : Array<Options>(logits.size(0)).fill(options)
  const bias = rows[0]?.bias
  return sampleTokens(logits, {
    bias: bias && fromArray(bias),
    temperature: fromArray(Float32Array.from(rows, ({ temperature }) => temperature)),
    topK: fromArray(Int32Array.from(rows, ({ topK }) => topK)),
    topP: fromArray(Float32Array.from(rows, ({ topP }) => topP)),
    minP: fromArray(Float32Array.from(rows, ({ minP }) => minP)),
    seeds: fromArray(seeds, [seeds.length / 4, 4]),
  })
}

/** Tokens of one row that may be drawn, most probable first, with their probabilities. */
function distribution(row: ArrayLike<number>, { temperature, topK, topP, minP, bias }: Options) {
  const logits = Array.from(row, (logit, id) => logit + (bias?.[id] ?? 0))
  const largest = Math.max(...logits)
  let tokens = logits.map((logit, id) => ({ id, p: Math.exp((logit - largest) / temperature) }))
  if (topK > 0 || topP < 1) tokens.sort((a, b) => b.p - a.p || a.id - b.id)
  if (topK > 0) tokens = tokens.slice(0, topK)
  const total = tokens.reduce((sum, { p }) => sum + p, 0)
  let before = 0
  if (topP < 1) tokens = tokens.filter(({ p }) => (before += p) - p < Math.fround(topP) * total)
  const highest = Math.max(...tokens.map(({ p }) => p))
  tokens = tokens.filter(({ p }) => p >= Math.fround(minP) * highest)
  const mass = tokens.reduce((sum, { p }) => sum + p, 0)
  return tokens.map(({ id, p }) => ({ id, p: p / mass }))
}

function draw(row: ArrayLike<number>, options: Options, seed: Int32Array): number {
  const words = philox([0, 0, seed[2]!, seed[3]!], [seed[0]!, seed[1]!])
  let left = uniformOf(words[0]!, words[1]!)
  const tokens = distribution(row, options)
  return (tokens.find(({ p }) => (left -= p) < 0) ?? tokens.at(-1)!).id
}

const rowsOf = ({ shape, data }: HostArray): Float64Array[] =>
  Array.from({ length: shape[0]! }, (_, t) => data.subarray(t * shape[1]!, (t + 1) * shape[1]!))

/** Logits all alike in `count` rows. */
const repeated = (row: ArrayLike<number>, count: number): Tensor =>
  fromArray(
    Float32Array.from({ length: count * row.length }, (_, i) => row[i % row.length]!),
    [count, row.length],
  )

afterEach(() => setThreads(2))

describe('argmax', () => {
  it.each([
    [1, 1],
    [31, 33],
    [3, 4099],
    [0, 5],
  ])('finds the largest of %i rows of %i, of equals the first', async (B, V) => {
    for (const dtype of ['f32', 'bf16'] as const) {
      // bf16 has many equals.
      const logits = roundTo(randomArray([B, V]), dtype)
      const expected = rowsOf(logits).map((row) =>
        row.indexOf(row.reduce((most, v) => Math.max(most, v), -Infinity)),
      )
      expect(await argmax(toTensor(logits, dtype)).readInts()).toEqual(Int32Array.from(expected))
    }
  })

  it('takes -infinity as an excluded token', async () => {
    const none = -Infinity
    const logits = fromArray(Float32Array.of(none, -3e38, none, none, none, none), [2, 3])
    expect(await argmax(logits).readInts()).toEqual(Int32Array.of(1, 0))
  })

  it('names the argument and what was received', async () => {
    const logits = fromArray(Float32Array.of(0, 1, 2, NaN), [2, 2])
    await expect(argmax(logits).read()).rejects.toThrow(
      'argmax: logits[1] must be finite or -infinity, received NaN or infinity',
    )
    expect(() => argmax(zeros([4]))).toThrow('argmax: logits must have 2 axes, received a tensor of f32 [4]')
    expect(() => argmax(zeros([4, 0]))).toThrow('argmax: logits must have at least one column')
    expect(() => argmax(fromArray(new Int32Array(4), [2, 2]))).toThrow('argmax: logits must be f32 or bf16')
  })
})

describe('sampleTokens', () => {
  it.each([
    [1, plain],
    [7, { ...plain, topK: 3 }],
    [33, { ...plain, temperature: 0.7 }],
    [33, { ...plain, temperature: 2, topK: 5, topP: 0.6 }],
    [33, { ...plain, topK: 40 }],
    [33, { ...plain, minP: 0.2 }],
    [33, { ...plain, minP: 1 }],
    [300, { ...plain, temperature: 1.5, minP: 0.1, topK: 30 }],
    [300, { ...plain, minP: 0.05, topP: 0.7 }],
    [300, { ...plain, topP: 0.9 }],
    [
      300,
      { ...plain, topP: 0.25, bias: Float32Array.from({ length: 300 }, (_, id) => (id % 3 ? 0 : -Infinity)) },
    ],
    [4099, { ...plain, temperature: 1.5, topK: 50 }],
    // More than a GPU holds on chip.
    [42_000, { ...plain, topK: 500, topP: 0.9 }],
  ])('draws as the reference does, of %i tokens with %o', async (V, options) => {
    const count = V > 10_000 ? 2 : 64
    for (const dtype of ['f32', 'bf16'] as const) {
      const logits = roundTo(randomArray([count, V], 1, 4), dtype)
      const seeds = seedsOf(count)
      const expected = rowsOf(logits).map((row, t) => draw(row, options, seeds.subarray(4 * t, 4 * t + 4)))
      expect(await sample(toTensor(logits, dtype), options).readInts()).toEqual(Int32Array.from(expected))
    }
  })

  it.each([
    plain,
    { ...plain, temperature: 0.5 },
    { ...plain, topK: 8 },
    { ...plain, topP: 0.8 },
    { ...plain, minP: 0.1 },
    { ...plain, topK: 20, topP: 0.95, minP: 0.2 },
    { ...plain, temperature: 1.3, topK: 12, topP: 0.7 },
  ])('draws tokens as often as their probabilities say, and no others, with %o', async (options) => {
    const V = 40
    // A simulated device takes half a millisecond for each.
    const count = currentDevice() === 'cpu' ? 40_000 : 4_000
    const logits = randomArray([1, V], 3, 2).data
    const ids = await sample(repeated(logits, count), options).readInts()
    const seen = new Float64Array(V)
    for (const id of ids) seen[id]!++
    const tokens = distribution(Float32Array.from(logits), options)
    let chiSquare = 0
    for (const { id, p } of tokens) {
      chiSquare += (seen[id]! - count * p) ** 2 / (count * p)
      seen[id] = 0
    }
    expect(Math.max(...seen)).toBe(0)
    // Mean n, variance 2 n for n + 1 tokens; a draw beyond five standard deviations would be a fault.
    const freedom = tokens.length - 1
    expect(chiSquare).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom))
  })

  it('is greedy at temperature 0, after the bias, with any seed', async () => {
    const logits = repeated([1, 5, 4, 5], 50)
    const bias = Float32Array.of(0, -2, 1, 0)
    expect(new Set(await sample(logits, { ...plain, temperature: 0, bias }).readInts())).toEqual(new Set([2]))
  })

  it('draws the most probable token at the smallest temperatures, and bears large logits', async () => {
    const logits = repeated([-3e38, 3e38, 0, 2.9e38], 10)
    for (const temperature of [1e-45, 1e-6, 1])
      expect(new Set(await sample(logits, { ...plain, temperature }).readInts())).toEqual(new Set([1]))
  })

  it('gives a row its own options and seed, whatever rows are beside it and whatever the threads', async () => {
    const logits = randomArray([6, 100], 9)
    const options = [
      plain,
      { ...plain, temperature: 0 },
      { ...plain, topK: 2 },
      { ...plain, topP: 0.5 },
      { ...plain, temperature: 3, topK: 10, topP: 0.9 },
      { ...plain, minP: 0.3 },
    ]
    const seeds = seedsOf(6)
    const all = await sample(toTensor(logits), options, seeds).readInts()
    setThreads(1)
    expect(await sample(toTensor(logits), options, seeds).readInts()).toEqual(all)
    for (const [t, row] of rowsOf(logits).entries()) {
      const alone = toTensor({ shape: [1, 100], data: row })
      const id = await sample(alone, [options[t]!], seeds.slice(4 * t, 4 * t + 4)).readInts()
      expect(id).toEqual(all.subarray(t, t + 1))
    }
  })

  it('names the argument and the value received', async () => {
    const logits = zeros([2, 3])
    const reject = async (options: Options, message: string) =>
      expect(sample(logits, [plain, options]).read()).rejects.toThrow(`sample_tokens: ${message}`)
    await reject({ ...plain, temperature: -1 }, 'temperature[1] must be finite and at least 0, received -1')
    await reject({ ...plain, temperature: NaN }, 'temperature[1] must be finite and at least 0, received nan')
    await reject({ ...plain, topK: -2 }, 'top_k[1] must be at least 0, received -2')
    await reject({ ...plain, topP: 0 }, 'top_p[1] must be above 0 and at most 1, received 0')
    await reject({ ...plain, minP: -0.1 }, 'min_p[1] must be in 0..1, received -0.1')
    await reject({ ...plain, minP: NaN }, 'min_p[1] must be in 0..1, received nan')
    await reject({ ...plain, topP: 1.5 }, 'top_p[1] must be above 0 and at most 1, received 1.5')
    const bad = fromArray(Float32Array.of(0, 1, NaN, 2), [2, 2])
    await expect(sample(bad, plain).read()).rejects.toThrow(
      'sample_tokens: logits[1] must be finite or -infinity, received NaN or infinity',
    )
    const bias = new Float32Array(3).fill(-Infinity)
    await expect(sample(logits, { ...plain, bias }).read()).rejects.toThrow(
      'logits[0] must leave a token to sample',
    )
    expect(() => sample(logits, plain, seedsOf(3))).toThrow(
      'sample_tokens: seeds must have shape [2, 4], received a tensor of i32 [3, 4]',
    )
    expect(() => sample(logits, { ...plain, bias: new Float32Array(2) })).toThrow('bias must have shape [3]')
    expect(() => sample(logits, [plain])).toThrow('sample_tokens: temperature must have shape [2]')
    expect(() => sample(full([2, 0], 0), plain)).toThrow(
      'sample_tokens: logits must have at least one column',
    )
  })
})
