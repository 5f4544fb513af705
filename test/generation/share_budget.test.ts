import { expect, it } from 'vitest'
import { shareBudget } from '../../lib/generation/share_budget.js'

it('shares a budget: leasts first, then evenly, and what one does not want goes to the others', () => {
  expect(shareBudget([], 10)).toEqual([])
  expect(shareBudget([{ least: 2, most: 100 }], 10)).toEqual([10])
  expect(
    shareBudget(
      [
        { least: 1, most: 100 },
        { least: 1, most: 3 },
        { least: 1, most: 100 },
      ],
      13,
    ),
  ).toEqual([5, 3, 5])
  expect(
    shareBudget(
      [
        { least: 8, most: 9 },
        { least: 8, most: 8 },
      ],
      10,
    ),
  ).toEqual([8, 8])
})
