import { describe, expect, it } from 'vitest'
import { joinRows, splitRows } from '../../lib/ops/row_groups.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'
import { concatReference } from '../reference/axis.js'
import { gatherReference } from '../reference/rows.js'

const ints = (numbers: readonly number[]): Tensor => fromArray(Int32Array.from(numbers))

/** Groups that together have each row once, and the shape of a row. */
const cases: (readonly [readonly (readonly number[])[], readonly number[]])[] = [
  [[[0]], [1]],
  [[[2, 0, 1]], [3, 5]],
  [
    [
      [0, 1, 4],
      [5, 2, 3],
    ],
    [33],
  ],
  [[[], [1, 0], [2]], [4]],
  [[Array.from({ length: 130 }, (_, i) => 2 * i), Array.from({ length: 130 }, (_, i) => 259 - 2 * i)], [31]],
]

describe.each(cases)('rows %j of shape %j', (groups, shape) => {
  const numbers = groups.flat()
  const T = numbers.length
  const inverse = Int32Array.from({ length: T }, (_, row) => numbers.indexOf(row))

  it('are split as the reference does', () =>
    checkOp({
      inputs: { x: randomArray([T, ...shape]) },
      run: ({ x }) => {
        const parts = splitRows(x, groups.map(ints))
        return joinRows(
          parts,
          groups.map((group) => ints(group.map((row) => numbers.indexOf(row)))),
        )
      },
      reference: ({ x }) => gatherReference(x, Int32Array.from(numbers)),
    }))

  it('are joined as the reference does', () =>
    checkOp({
      inputs: Object.fromEntries(
        groups.map((group, i) => [`x${i}`, randomArray([group.length, ...shape], i + 1)]),
      ),
      run: (xs) => joinRows(Object.values(xs), groups.map(ints)),
      reference: (xs) => gatherReference(concatReference(Object.values(xs), 0), inverse),
    }))
})

it('names the argument and what was received', async () => {
  const x = zeros([3, 2])
  expect(() => splitRows(x, [ints([0, 1])])).toThrow(
    'split_rows: rows must be 3 in all, as x has, received 2',
  )
  expect(() => splitRows(x, [zeros([3])])).toThrow('split_rows: rows[0] must be i32')
  expect(() => joinRows([], [])).toThrow('join_rows: xs must hold at least one tensor')
  expect(() => joinRows([x], [])).toThrow('join_rows: rows must be 1, one for each of xs, received 0')
  expect(() => joinRows([x, zeros([1, 3])], [ints([0, 1, 2]), ints([3])])).toThrow(
    'join_rows: xs[1] must have shape [1, 2]',
  )
  await expect(joinRows([x], [ints([0, 1, 3])]).read()).rejects.toThrow(
    'rows[2] must be -1 or in 0..2, received 3',
  )
  await expect(splitRows(x, [ints([0, 1, -2])])[0]!.read()).rejects.toThrow(
    'rows[2] must be -1 or in 0..2, received -2',
  )
})
