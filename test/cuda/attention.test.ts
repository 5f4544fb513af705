// The forms of attention that the GPU has and the CPU has not: tiles of each head size, decoding, rows that begin anywhere.
import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { empty, fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { type HostArray, randomArray, roundTo, toTensor } from '../host_array.js'
import {
  attentionGradients,
  attentionReference,
  type HostSpans,
  packedSpans,
} from '../reference/attention.js'

type DType = 'f32' | 'bf16'

type Handles = [number, number, number, number]
const handlesOf = (spans: HostSpans) =>
  [spans.keyStart, spans.keyEnd, spans.queryRows, spans.keyRows].map(
    (values) => fromArray(values).handle,
  ) as Handles

/** A tensor that begins `shift` elements into its memory. */
function shifted({ shape, data }: HostArray, dtype: DType, shift: number): Tensor {
  const whole = { shape: [data.length + shift], data: new Float64Array(data.length + shift).fill(NaN) }
  whole.data.set(data, shift)
  return toTensor(whole, dtype).view(shape, shift)
}

const shiftedEmpty = (shape: readonly number[], dtype: DType, shift: number) =>
  zeros([shape.reduce((a, b) => a * b) + shift], dtype).view(shape, shift)

/** y and lse in bf16. */
async function attend({ q, k, v }: Record<'q' | 'k' | 'v', HostArray>, spans: HostSpans) {
  const [T, H, D] = q.shape as [number, number, number]
  const [y, lse] = [zeros(q.shape, 'bf16'), empty([H, T])]
  const inputs = [q, k, v].map((array) => toTensor(array, 'bf16').handle) as [number, number, number]
  native.attention(y.handle, undefined, lse.handle, ...inputs, ...handlesOf(spans), 1 / Math.sqrt(D))
  return { y: await y.readFloats(), lse: await lse.readFloats() }
}

/** y, dq, dk and dv by the kernels. */
async function run(
  inputs: Record<'q' | 'k' | 'v', HostArray>,
  spans: HostSpans,
  dy: HostArray,
  dtype: DType,
  shift = 0,
) {
  const [T, H, D] = inputs.q.shape as [number, number, number]
  const scale = 1 / Math.sqrt(D)
  const [q, k, v, given] = [inputs.q, inputs.k, inputs.v, dy].map((array) =>
    shifted(array, dtype, shift),
  ) as [Tensor, Tensor, Tensor, Tensor]
  const out = (array: HostArray) => shiftedEmpty(array.shape, dtype, shift)
  const y = out(inputs.q)
  const yLo = dtype === 'bf16' ? out(inputs.q) : undefined
  const lse = empty([H, T])
  native.attention(
    y.handle,
    yLo?.handle,
    lse.handle,
    q.handle,
    k.handle,
    v.handle,
    ...handlesOf(spans),
    scale,
  )
  const [dq, dk, dv] = [out(inputs.q), out(inputs.k), out(inputs.v)]
  native.attention_backward(
    dq.handle,
    dk.handle,
    dv.handle,
    given.handle,
    y.handle,
    yLo?.handle,
    lse.handle,
    q.handle,
    k.handle,
    v.handle,
    ...handlesOf(spans),
    scale,
  )
  return {
    y: await y.readFloats(),
    dq: await dq.readFloats(),
    dk: await dk.readFloats(),
    dv: await dv.readFloats(),
  }
}

async function check(
  spans: HostSpans,
  H: number,
  G: number,
  D: number,
  dtype: DType,
  shift = 0,
): Promise<void> {
  const T = spans.keyStart.length
  const K = spans.keyRows.at(-1)!
  const inputs = {
    q: roundTo(randomArray([T, H, D], 1), dtype),
    k: roundTo(randomArray([K, G, D], 2), dtype),
    v: roundTo(randomArray([K, G, D], 3), dtype),
  }
  const dy = roundTo(randomArray([T, H, D], 4), dtype)
  const found = await run(inputs, spans, dy, dtype, shift)
  const expected = { y: attentionReference(inputs, spans).data, ...attentionGradients(inputs, spans, dy) }
  for (const name of ['y', 'dq', 'dk', 'dv'] as const)
    compare(`${dtype} ${name}`, found[name], expected[name], dtype)
}

const document = packedSpans([[40, -50, 48]])

/** Few queries on many keys: causal, an image behind a prefix, intervals with a gap, no queries at all. */
const decoding: HostSpans = {
  queryRows: Int32Array.of(0, 2, 6, 8, 8, 9),
  keyRows: Int32Array.of(0, 300, 390, 590, 600, 700),
  keyStart: Int32Array.of(0, 0, 20, 20, 20, 20, 3, 150, 0),
  keyEnd: Int32Array.of(299, 300, 90, 90, 90, 90, 9, 155, 1),
}

/** Few queries on several chunks of 512 keys: ends at and beside them, one that nobody sees, one where rows begin. */
const longSequences: HostSpans = {
  queryRows: Int32Array.of(0, 1, 2, 4, 6, 7),
  keyRows: Int32Array.of(0, 1100, 1613, 2700, 4240, 4752),
  keyStart: Int32Array.of(0, 0, 0, 1030, 500, 700, 0),
  keyEnd: Int32Array.of(1100, 513, 10, 1087, 600, 1537, 512),
}

/** Text, an image and text behind a prefix of more than a chunk, in several tiles of rows. */
const manyRows: HostSpans = {
  queryRows: Int32Array.of(0, 40),
  keyRows: Int32Array.of(0, 1090),
  keyStart: Int32Array.from({ length: 40 }, (_, t) => (t < 5 ? 0 : t < 30 ? 400 : 520)),
  keyEnd: Int32Array.from({ length: 40 }, (_, t) => (t < 4 ? 505 + t : t < 10 ? 1030 : 1050 + t)),
}

describe('attention on CUDA', () => {
  it.each([8, 16, 20, 32, 48, 64, 80, 96, 104, 128, 136, 160])('takes heads of %i', (D) =>
    check(document, 2, 1, D, 'bf16'),
  )

  it('takes f32 heads that several blocks share', () => check(packedSpans([[70]]), 2, 1, 150, 'f32'))

  it.each([
    [4, 16, 0],
    [2, 32, 0],
    [4, 64, 0],
    [1, 96, 0],
    [4, 128, 0],
    [2, 33, 0],
    [4, 64, 3],
  ])('decodes with %i heads of %i, %i elements into the memory', (H, D, shift) =>
    check(decoding, H, 1, D, 'bf16', shift),
  )

  it.each([1, 3, 8])('takes tensors that begin %i elements into their memory', (shift) =>
    check(document, 2, 1, 64, 'bf16', shift),
  )

  it('takes more sequences, and more queries, than a block has threads', async () => {
    const B = 1200
    const queries = Int32Array.from({ length: B }, (_, b) => (b % 5 === 0 ? 0 : 1 + (b % 3)))
    const rows = (counts: Int32Array) =>
      Int32Array.from([0, ...counts]).map(
        (
          (total) => (n) =>
            (total += n)
        )(0),
      )
    const spans: HostSpans = {
      queryRows: rows(queries),
      keyRows: rows(queries.map((n) => n + 1)),
      keyStart: Int32Array.from([...queries].flatMap((n) => Array<number>(n).fill(0))),
      keyEnd: Int32Array.from([...queries].flatMap((n) => Array.from({ length: n }, (_, i) => i + 2))),
    }
    await check(spans, 2, 1, 16, 'bf16')
  })

  it.each([
    ['key_end', 'key_end[1700] must be in 1700..2000, received 1699'],
    ['key_start', 'key_start[1300] must be in 0..1300, received -1'],
  ] as const)('finds a wrong %s among many queries', async (argument, message) => {
    const T = 2000
    const spans = packedSpans([[T]])
    if (argument === 'key_end') spans.keyEnd[1700] = 1699
    else spans.keyStart[1300] = -1
    const [y, x, lse] = [zeros([T, 1, 16]), zeros([T, 1, 16]), zeros([1, T])]
    native.attention(y.handle, undefined, lse.handle, x.handle, x.handle, x.handle, ...handlesOf(spans), 1)
    await expect(y.read()).rejects.toThrow(message)
  })

  it.each([
    [4, 16, 0],
    [2, 32, 3],
    [4, 64, 0],
    [1, 96, 0],
    [4, 128, 0],
  ])('joins chunks of keys for %i heads of %i, %i elements into the memory', (H, D, shift) =>
    check(longSequences, H, 1, D, 'bf16', shift),
  )

  it('joins chunks of keys that tiles of many rows see', () => check(manyRows, 2, 1, 64, 'bf16'))

  it.each([
    [document, 64],
    [document, 128],
    [decoding, 64],
    [longSequences, 32],
    [manyRows, 128],
  ] as const)('follows scores that rise far, in any order of keys (%#)', async (spans, D) => {
    const [T, K] = [spans.keyStart.length, spans.keyRows.at(-1)!]
    const q = randomArray([T, 2, D], 1)
    const k = randomArray([K, 1, D], 2)
    // Up to 2^100 between p of two keys: beyond what sums hold without being rescaled.
    q.data.forEach((value, i) => (q.data[i] = 60 * value))
    k.data.forEach((value, i) => (k.data[i] = value * (1 + Math.sin(i / D / 40))))
    const inputs = {
      q: roundTo(q, 'bf16'),
      k: roundTo(k, 'bf16'),
      v: roundTo(randomArray([K, 1, D], 3), 'bf16'),
    }
    const { y } = await attend(inputs, spans)
    compare('y', y, attentionReference(inputs, spans).data, 'bf16')
  })

  it.each([16, 64, 96, 128])('gives a query of width %i the bits that it has among others', async (D) => {
    const spans = manyRows
    const [T, K, otherKeys] = [spans.keyStart.length, spans.keyRows.at(-1)!, 516]
    const inputs = {
      q: roundTo(randomArray([T, 2, D], 1), 'bf16'),
      k: roundTo(randomArray([K + 4 * otherKeys, 1, D], 2), 'bf16'),
      v: roundTo(randomArray([K + 4 * otherKeys, 1, D], 3), 'bf16'),
    }
    const all = await attend(inputs, spans)
    /** Queries from .. to of the sequence, beside `others` of one query each: gives them the same bits. */
    const beside = async (from: number, to: number, others: number) => {
      const count = to - from
      const each = (value: number) => Array<number>(others).fill(value)
      const found = await attend(
        {
          ...inputs,
          q: {
            shape: [count + others, 2, D],
            data: inputs.q.data.slice(from * 2 * D, (to + others) * 2 * D),
          },
        },
        {
          keyStart: Int32Array.from([...spans.keyStart.slice(from, to), ...each(0)]),
          keyEnd: Int32Array.from([...spans.keyEnd.slice(from, to), ...each(otherKeys)]),
          queryRows: Int32Array.from([0, count, ...each(count).map((n, i) => n + i + 1)]),
          keyRows: Int32Array.from([0, K, ...each(K).map((n, i) => n + (i + 1) * otherKeys)]),
        },
      )
      expect(found.y.slice(0, count * 2 * D)).toEqual(all.y.slice(from * 2 * D, to * 2 * D))
      for (const head of [0, 1])
        expect(found.lse.slice(head * (count + others), head * (count + others) + count)).toEqual(
          all.lse.slice(head * T + from, head * T + to),
        )
    }
    // By a block for each chunk; by one for all chunks of three tiles.
    for (const t of [0, 3, 8, 20, 39]) await beside(t, t + 1, 0)
    await beside(15, 20, 0)
    await beside(10, 30, 4)
    // By a block for each chunk of each of up to four tiles, which have different ones.
    await beside(0, 20, 0)
    await beside(8, 40, 0)
    await beside(12, 39, 1)
  })

  it('gives a decoded query the bits that it has among others', async () => {
    const T = 400
    const whole = packedSpans([[T]])
    const inputs = (queries: number) => ({
      q: roundTo(randomArray([queries, 2, 128], 1), 'bf16'),
      k: roundTo(randomArray([T, 1, 128], 2), 'bf16'),
      v: roundTo(randomArray([T, 1, 128], 3), 'bf16'),
    })
    const all = inputs(T)
    const { y } = await run(all, whole, randomArray(all.q.shape, 4), 'bf16')
    const last = { shape: [1, 2, 128], data: all.q.data.slice(-256) }
    const alone = {
      keyStart: Int32Array.of(0),
      keyEnd: Int32Array.of(T),
      queryRows: Int32Array.of(0, 1),
      keyRows: Int32Array.of(0, T),
    }
    const decoded = await run({ ...all, q: last }, alone, randomArray(last.shape, 5), 'bf16')
    expect(decoded.y).toEqual(y.slice(-256))
  })
})
