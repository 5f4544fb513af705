import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { sum } from '../../lib/ops/reduce.js'
import { writeRows } from '../../lib/ops/write_rows.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { randomArray, toTensor } from '../host_array.js'
import { rowCases } from '../reference/rows.js'

describe('writeRows', () => {
  it.each(rowCases)('overwrites some of %i rows of %j, %j', async (R, shape, rows) => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const y = toTensor(randomArray([R, ...shape]), dtype)
      const x = toTensor(randomArray([rows.length, ...shape], 2), dtype)
      const [expected, values] = [await y.read(), await x.read()]
      const C = y.elements / R
      rows.forEach((row, i) => row >= 0 && expected.set(values.subarray(i * C, (i + 1) * C), row * C))
      writeRows(y, x, fromArray(Int32Array.from(rows)))
      expect(await y.read()).toEqual(expected)
    }
  })

  it('lets the last of equal rows stay, of many', async () => {
    const [R, C, count] = [300, 512, 700]
    const rows = Int32Array.from({ length: count }, (_, i) => (i * 37) % 211)
    const y = zeros([R, C])
    const x = fromArray(
      Float32Array.from({ length: count * C }, (_, i) => i),
      [count, C],
    )
    writeRows(y, x, fromArray(rows))
    const values = await y.readFloats()
    for (let row = 0; row < R; row++) {
      const last = rows.lastIndexOf(row)
      const expected = Float32Array.from({ length: C }, (_, c) => (last < 0 ? 0 : last * C + c))
      expect(values.subarray(row * C, (row + 1) * C)).toEqual(expected)
    }
  })

  it('takes nothing where there is nothing', async () => {
    const [y, none] = [zeros([0, 2]), zeros([2, 0])]
    writeRows(y, zeros([1, 2]), fromArray(Int32Array.of(-1)))
    writeRows(none, zeros([1, 0]), fromArray(Int32Array.of(1)))
    expect([(await y.read()).length, (await none.read()).length]).toEqual([0, 0])
  })

  it('takes integers', async () => {
    const y = fromArray(Int32Array.of(1, 2, 3))
    writeRows(y, fromArray(Int32Array.of(-7)), fromArray(Int32Array.of(1)))
    expect(await y.readInts()).toEqual(Int32Array.of(1, -7, 3))
  })

  it('has no derivative, and says so', () => {
    const y = zeros([2, 2])
    const x = zeros([1, 2])
    trackGradient(x)
    writeRows(y, x, fromArray(Int32Array.of(0)))
    expect(() => backward(sum(y))).toThrow('write_rows has no derivative')
  })

  it('names the argument and what was received', async () => {
    const y = zeros([3, 2])
    const rows = fromArray(Int32Array.of(3))
    expect(() => writeRows(y, zeros([2, 2]), rows)).toThrow('write_rows: x must have shape [1, 2]')
    expect(() => writeRows(y, zeros([1, 2], 'bf16'), rows)).toThrow('write_rows: x must be f32')
    writeRows(y, zeros([1, 2]), rows)
    await expect(y.read()).rejects.toThrow('write_rows: rows[0] must be -1 or in 0..2, received 3')
  })
})
