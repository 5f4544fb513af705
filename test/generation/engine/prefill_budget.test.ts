import { expect, it } from 'vitest'
import { sharePrefillBudget } from '../../../lib/generation/engine/prefill_budget.js'

it('gives each its least, then divides evenly, and gives what one cannot use to the others', () => {
  expect(sharePrefillBudget([], 10)).toEqual([])
  expect(sharePrefillBudget([{ least: 2, most: 100 }], 10)).toEqual([10])
  expect(
    sharePrefillBudget(
      [
        { least: 1, most: 100 },
        { least: 1, most: 3 },
        { least: 1, most: 100 },
      ],
      13,
    ),
  ).toEqual([5, 3, 5])
  expect(
    sharePrefillBudget(
      [
        { least: 8, most: 9 },
        { least: 8, most: 8 },
      ],
      10,
    ),
  ).toEqual([8, 8])
})
