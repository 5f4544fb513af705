import { describe, expect, it } from 'vitest'
import { scatterAddRows } from '../../lib/ops/scatter_rows.js'
import { setThreads } from '../../lib/tensor/device.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray, randomInts, toTensor } from '../host_array.js'
import { rowCases, scatterAddReference } from '../reference/rows.js'

describe('scatterAddRows', () => {
  it.each(rowCases)('agrees with the reference on %i rows of %j, %j', async (R, shape, numbers) => {
    const rows = Int32Array.from(numbers)
    await checkOp({
      inputs: { base: randomArray([R, ...shape]), x: randomArray([rows.length, ...shape], 2) },
      run: ({ base, x }) => scatterAddRows(base, x, fromArray(rows)),
      reference: ({ base, x }) => scatterAddReference(base, x, rows),
    })
  })

  it('adds bf16 rows to f32 ones', async () => {
    const rows = Int32Array.of(1, 0, 1)
    await checkOp({
      inputs: { x: randomArray([3, 33], 2) },
      run: ({ x }) => scatterAddRows(toTensor(randomArray([2, 33])), x, fromArray(rows)),
      reference: ({ x }) => {
        const base = randomArray([2, 33])
        return scatterAddReference({ ...base, data: base.data.map(Math.fround) }, x, rows)
      },
      dtypes: ['bf16'],
      outputDType: 'f32',
    })
  })

  it('is the same for 1 and 2 threads', async () => {
    const x = toTensor(randomArray([3000, 300]))
    const rows = fromArray(randomInts(3000, 50))
    const sums = [1, 2].map((threads) => {
      setThreads(threads)
      return scatterAddRows(zeros([50, 300]), x, rows).read()
    })
    expect(await sums[0]).toEqual(await sums[1])
  })

  it('names the argument and what was received', async () => {
    const rows = fromArray(Int32Array.of(0, 5))
    expect(() => scatterAddRows(zeros([3, 2]), zeros([2, 3]), rows)).toThrow(
      'scatter_add_rows: x must have shape [2, 2], received a tensor of f32 [2, 3]',
    )
    expect(() => scatterAddRows(zeros([3, 2], 'bf16'), zeros([2, 2]), rows)).toThrow(
      'scatter_add_rows: base must be f32',
    )
    await expect(scatterAddRows(zeros([3, 2]), zeros([2, 2]), rows).read()).rejects.toThrow(
      'scatter_add_rows: rows[1] must be -1 or in 0..2, received 5',
    )
  })
})
