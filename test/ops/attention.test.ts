import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { readSafetensors } from '../../lib/files/safetensors/safetensors.js'
import { native } from '../../lib/native.js'
import { attention, type AttentionSpans } from '../../lib/ops/attention.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { checkOp, compare } from '../check_op.js'
import { type HostArray, hostArray, randomArray, roundTo, toTensor } from '../host_array.js'
import {
  attentionGradients,
  type AttentionInputs,
  attentionReference,
  type HostSpans,
  packedSpans,
} from '../reference/attention.js'
import { f32Tolerance } from '../tolerances.js'

const upload = (spans: HostSpans): AttentionSpans => ({
  keyStart: fromArray(spans.keyStart),
  keyEnd: fromArray(spans.keyEnd),
  queryRows: fromArray(spans.queryRows),
  keyRows: fromArray(spans.keyRows),
})

interface Sizes {
  H?: number
  G?: number
  D?: number
}

/** Random q, k, v for the spans, and room for keys that no sequence has. */
function randomInputs(spans: HostSpans, { H = 2, G = H, D = 16 }: Sizes, slots = spans.keyRows.at(-1)!) {
  return {
    q: randomArray([spans.keyStart.length, H, D], 1),
    k: randomArray([slots, G, D], 2),
    v: randomArray([slots, G, D], 3),
  }
}

/** The inputs as a kernel of this dtype sees them. */
const rounded = ({ q, k, v }: AttentionInputs, dtype: 'f32' | 'bf16'): AttentionInputs => ({
  q: roundTo(q, dtype),
  k: roundTo(k, dtype),
  v: roundTo(v, dtype),
})

/** y, dq, dk and dv as the device gives them. */
async function run(inputs: AttentionInputs, spans: HostSpans, dy: HostArray, dtype: 'f32' | 'bf16' = 'f32') {
  const [q, k, v] = [toTensor(inputs.q, dtype), toTensor(inputs.k, dtype), toTensor(inputs.v, dtype)] as const
  for (const tensor of [q, k, v]) trackGradient(tensor)
  const y = scope(() => {
    const y = attention(q, k, v, upload(spans))
    backward(sum(mul(y, toTensor(dy, dtype))))
    return y
  })
  const gradientOf = (tensor: Tensor) => tensor.gradientTarget!.gradient.readFloats()
  return {
    y: await y.readFloats(),
    dq: await gradientOf(q),
    dk: await gradientOf(k),
    dv: await gradientOf(v),
  }
}

/** Compares y and every element of the gradients with float64. */
async function check(spans: HostSpans, sizes: Sizes): Promise<void> {
  for (const dtype of ['f32', 'bf16'] as const) {
    const inputs = rounded(randomInputs(spans, sizes), dtype)
    const dy = roundTo(randomArray(inputs.q.shape, 4), dtype)
    const found = await run(inputs, spans, dy, dtype)
    const expected = { y: attentionReference(inputs, spans).data, ...attentionGradients(inputs, spans, dy) }
    for (const name of ['y', 'dq', 'dk', 'dv'] as const)
      compare(`${dtype} ${name}`, found[name], expected[name], dtype)
  }
}

// Two images side by side, one of a single position, one that ends its document, one larger than a tile.
const documents = packedSpans([[5], [2, -16, -17, 1, -1, 18], [10, -49, 14], [1, -3]])
const imageOverTiles = packedSpans([[20, -150, 3]])

describe('attention', () => {
  it.each([
    [1, 1],
    [4, 2],
  ])('agrees with differences of the reference for %i heads on %i key heads', async (H, G) => {
    const spans = packedSpans([[5], [2, -6, -7, 1, -1, 8]])
    await checkOp({
      inputs: randomInputs(spans, { H, G }),
      run: ({ q, k, v }) => attention(q, k, v, upload(spans), { scale: 0.7 }),
      reference: (inputs) => attentionReference(inputs, spans, 0.7),
    })
  })

  it.each([16, 24, 33, 64, 128])('agrees with the reference for heads of %i', (D) =>
    check(documents, { H: 2, G: 1, D }),
  )

  it.each([
    [4, 4],
    [4, 2],
    [6, 2],
    [3, 1],
  ])('agrees with the reference for %i heads on %i key heads', (H, G) => check(documents, { H, G }))

  it.each([2, 31, 33, 64, 65, 257, 300])('agrees with the reference for %i tokens', (T) =>
    check(packedSpans([[T]]), { H: 1 }),
  )

  it("gives a lone token its key's value, whatever its score", async () => {
    const spans = packedSpans([[1]])
    const inputs = randomInputs(spans, { H: 1 })
    const dy = randomArray(inputs.q.shape, 4)
    const { y, dq, dk, dv } = await run(inputs, spans, dy)
    expect(y).toEqual(Float32Array.from(inputs.v.data))
    expect(dv).toEqual(Float32Array.from(dy.data))
    // What is left of dp - delta: both are the same sum of 16 products, in another order.
    for (const value of [...dq, ...dk]) expect(Math.abs(value)).toBeLessThan(f32Tolerance.reduction)
  })

  it('agrees with the reference on an image larger than a tile', () => check(imageOverTiles, { D: 24 }))

  it('agrees with PyTorch: packed documents, images, grouped heads, gradients', async () => {
    const fixture = new URL('../fixtures/attention', import.meta.url).pathname
    const { documents, images, visible_pairs } = JSON.parse(await readFile(`${fixture}.json`, 'utf8')) as {
      documents: number[]
      images: [number, number][]
      visible_pairs: number
    }
    const parts = documents.slice(1).map((end, i) => partsOf(documents[i]!, end, images))
    const spans = packedSpans(parts)
    const pairs = spans.keyEnd.reduce((total, end, q) => total + end - spans.keyStart[q]!, 0)
    expect(pairs).toBe(visible_pairs)

    const { tensors } = await readSafetensors(`${fixture}.safetensors`)
    const load = (name: string) => {
      const { shape, data } = tensors.get(name)!
      return headsInside(hostArray(shape, data as Float32Array))
    }
    const found = await run({ q: load('q'), k: load('k'), v: load('v') }, spans, load('dy'))
    for (const name of ['y', 'dq', 'dk', 'dv'] as const)
      compare(name, found[name], load(name).data, 'f32', 'elementwise')
  })

  it.each([
    ['f32', 0],
    ['bf16', 0],
    ['f32', -0.3],
    ['bf16', -0.3],
  ] as const)('agrees with the reference in %s for a scale of %f', async (dtype, scale) => {
    const spans = packedSpans([[5], [20, -50, 3]])
    const inputs = rounded(randomInputs(spans, {}), dtype)
    const { q, k, v } = inputs
    const y = attention(toTensor(q, dtype), toTensor(k, dtype), toTensor(v, dtype), upload(spans), { scale })
    compare('y', await y.readFloats(), attentionReference(inputs, spans, scale).data, dtype)
  })

  it.each(['f32', 'bf16'] as const)(
    'serves sequences of different lengths from one cache, and never reads what nobody sees (%s)',
    async (dtype) => {
      // A text token on 290 keys, nothing, a patch run behind a prefix, a branch whose first 30 keys are not its
      // own, and intervals with a gap between them; slots before, between and behind the sequences.
      const spans = {
        queryRows: Int32Array.of(0, 1, 1, 34, 40, 42),
        keyRows: Int32Array.of(3, 303, 310, 400, 460, 640),
        keyStart: Int32Array.of(5, ...Array<number>(33).fill(0), ...Array<number>(6).fill(30), 2, 170),
        keyEnd: Int32Array.of(290, ...Array<number>(33).fill(80), 40, 41, 42, 43, 44, 60, 10, 175),
      }
      const inputs = rounded(randomInputs(spans, { H: 4, G: 2, D: 24 }, 650), dtype)
      const visible = new Set<number>()
      for (let b = 0; b < 5; b++)
        for (let t = spans.queryRows[b]!; t < spans.queryRows[b + 1]!; t++)
          for (let key = spans.keyStart[t]!; key < spans.keyEnd[t]!; key++)
            visible.add(spans.keyRows[b]! + key)
      const slotOf = (i: number) => Math.floor(i / (2 * 24))
      const expected = attentionReference(inputs, spans)
      for (const { data } of [inputs.k, inputs.v])
        data.forEach((_, i) => {
          if (!visible.has(slotOf(i))) data[i] = NaN
        })
      const { y, dq, dk, dv } = await run(inputs, spans, randomArray(inputs.q.shape, 4), dtype)
      compare('y', y, expected.data, dtype)
      expect(dq.every(Number.isFinite)).toBe(true)
      for (const gradient of [dk, dv])
        gradient.forEach((value, i) => expect(value !== 0, `slot ${slotOf(i)}`).toBe(visible.has(slotOf(i))))
    },
  )

  it.each(['f32', 'bf16'] as const)(
    'gives a query the same bits whatever stands beside it (%s)',
    async (dtype) => {
      const T = 200
      const whole = packedSpans([[30, -90, 80]])
      const inputs = randomInputs(whole, { H: 4, G: 2, D: 24 })
      const all = await run(inputs, whole, randomArray(inputs.q.shape, 4), dtype)
      const rowSize = 4 * 24
      for (const t of [0, 29, 30, 100, 130, 199]) {
        const q = { shape: [1, 4, 24], data: inputs.q.data.slice(t * rowSize, (t + 1) * rowSize) }
        const alone = {
          keyStart: whole.keyStart.slice(t, t + 1),
          keyEnd: whole.keyEnd.slice(t, t + 1),
          queryRows: Int32Array.of(0, 1),
          keyRows: Int32Array.of(0, T),
        }
        const { y } = await run({ ...inputs, q }, alone, randomArray(q.shape, 5), dtype)
        expect(y).toEqual(all.y.slice(t * rowSize, (t + 1) * rowSize))
      }
    },
  )

  // The fewer the threads, the more tiles a task takes: with eight heads here all, five, some and one.
  it.each([
    [imageOverTiles, { H: 1, D: 33 }, [1, 2, 5]],
    [packedSpans([[200, -150, 290, -17, 43]]), { H: 8, G: 4 }, [1, 2, 3, 12]],
  ] as const)('gives the same bits for any number of threads (%#)', async (spans, sizes, threadCounts) => {
    const inputs = randomInputs(spans, sizes)
    const dy = randomArray(inputs.q.shape, 4)
    for (const dtype of ['f32', 'bf16'] as const) {
      const results = []
      for (const threads of threadCounts) {
        native.set_threads(threads)
        results.push(await run(inputs, spans, dy, dtype))
      }
      native.set_threads(native.device_info().processors)
      for (const result of results) expect(result).toEqual(results[0])
    }
  })

  it('agrees with the reference where a task takes several tiles', async () => {
    native.set_threads(1)
    await check(packedSpans([[100, -130, 170], [9, -85, 50], [101]]), { H: 8, G: 4 })
    native.set_threads(native.device_info().processors)
  })

  it('takes no tokens', async () => {
    const y = attention(zeros([0, 2, 8]), zeros([4, 1, 8]), zeros([4, 1, 8]), {
      keyStart: fromArray(new Int32Array(0)),
      keyEnd: fromArray(new Int32Array(0)),
      queryRows: fromArray(Int32Array.of(0, 0)),
      keyRows: fromArray(Int32Array.of(0, 4)),
    })
    expect(await y.read()).toHaveLength(0)
  })

  it.each([
    [{ keyEnd: [1, 2, 5, 4] }, 'key_end[2] must be in 2..4, received 5'],
    [{ keyEnd: [1, 3, 2, 4] }, 'key_end[2] must be in 3..4, received 2'],
    [{ keyEnd: [0, 2, 3, 4] }, 'key_end[0] must be in 1..4, received 0'],
    [{ keyStart: [0, -1, 0, 0] }, 'key_start[1] must be in 0..1, received -1'],
    [{ keyStart: [0, 1, 0, 0] }, 'key_start[2] must be in 1..2, received 0'],
    [{ keyStart: [0, 0, 3, 3] }, 'key_start[2] must be in 0..2, received 3'],
    [{ queryRows: [0, 3, 3] }, 'query_rows[2] must be in 4..4, received 3'],
    [{ queryRows: [1, 3, 4] }, 'query_rows[0] must be in 0..0, received 1'],
    [{ queryRows: [0, 5, 4] }, 'query_rows[1] must be in 0..4, received 5'],
    [{ keyRows: [0, 4, 7] }, 'key_rows[2] must be in 4..6, received 7'],
    [{ keyRows: [2, 1, 4] }, 'key_rows[1] must be in 2..6, received 1'],
  ])('rejects %j', async (wrong, message) => {
    const right = { keyStart: [0, 0, 0, 0], keyEnd: [1, 2, 3, 4], queryRows: [0, 4, 4], keyRows: [0, 4, 6] }
    const spans = { ...right, ...wrong }
    const y = attention(zeros([4, 2, 8]), zeros([6, 1, 8]), zeros([6, 1, 8]), {
      keyStart: fromArray(Int32Array.from(spans.keyStart)),
      keyEnd: fromArray(Int32Array.from(spans.keyEnd)),
      queryRows: fromArray(Int32Array.from(spans.queryRows)),
      keyRows: fromArray(Int32Array.from(spans.keyRows)),
    })
    await expect(y.read()).rejects.toThrow(`attention: ${message}`)
  })

  it('names the argument and what was received', () => {
    const spans = upload(packedSpans([[4]]))
    const x = zeros([4, 2, 8])
    expect(() => attention(zeros([4, 8]), x, x, spans)).toThrow('attention: q must have 3 axes')
    expect(() => attention(x, zeros([4, 2, 7]), x, spans)).toThrow('attention: k must have shape [*, *, 8]')
    expect(() => attention(zeros([4, 3, 8]), x, x, spans)).toThrow(
      "attention: k must have a number of heads that divides q's 3",
    )
    expect(() => attention(x, x, zeros([4, 1, 8]), spans)).toThrow('attention: v must have shape [4, 2, 8]')
    expect(() => attention(x, x, zeros([4, 2, 8], 'bf16'), spans)).toThrow('attention: v must be f32')
    expect(() => attention(x, x, x, { ...spans, keyEnd: zeros([4]) })).toThrow(
      'attention: keyEnd must be i32',
    )
    expect(() => attention(x, x, x, { ...spans, keyStart: spans.queryRows })).toThrow(
      'attention: keyStart must have shape [4]',
    )
    expect(() => attention(x, x, x, { ...spans, keyRows: spans.keyEnd })).toThrow(
      'attention: keyRows must have shape [2]',
    )
    expect(() => attention(x, x, x, spans, { scale: NaN })).toThrow(
      'attention: scale must be a finite number',
    )
    x.free()
    expect(() => attention(x, x, x, spans)).toThrow('attention: q must be a live tensor')
  })
})

/** A document's parts as packedSpans takes them. */
function partsOf(start: number, end: number, images: readonly (readonly [number, number])[]): number[] {
  const parts: number[] = []
  for (const [first, last] of images.filter(([first]) => first >= start && first < end)) {
    if (first > start) parts.push(first - start)
    parts.push(first - last)
    start = last
  }
  return end > start ? [...parts, end - start] : parts
}

/** [1, H, T, D] -> [T, H, D] */
function headsInside({ shape, data }: HostArray): HostArray {
  const [, H, T, D] = shape as [number, number, number, number]
  const moved = data.map((_, i) => {
    const [t, h, d] = [Math.floor(i / (H * D)), Math.floor(i / D) % H, i % D]
    return data[(h * T + t) * D + d]!
  })
  return { shape: [T, H, D], data: moved }
}
