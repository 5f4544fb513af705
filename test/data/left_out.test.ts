import { expect, it } from 'vitest'
import { LeftOut } from '../../lib/data/left_out.js'

it('counts each place once, the larger of two counts, and names the first', () => {
  const leftOut = new LeftOut()
  expect(leftOut.countDocument({ name: 'b.png', reason: 'uncaptioned' })).toBe(true)
  expect(leftOut.countDocument({ name: 'a.png', reason: 'uncaptioned' })).toBe(true)
  expect(leftOut.countDocument({ name: 'b.png', reason: 'uncaptioned' })).toBe(false)
  leftOut.countDocument({ name: 'a.jsonl:7' })
  leftOut.count('member', 'x.tar', 4, 'x.tar: README.md')
  leftOut.count('member', 'x.tar', 3, 'x.tar: README.md')
  const other = new LeftOut()
  other.count('member', 'y.tar', 2, 'y.tar: a')
  other.count('empty', 'c.txt')
  leftOut.include(other)
  leftOut.include(other)
  expect(leftOut.total('member')).toBe(6)
  expect(leftOut.summary).toEqual([
    'left out: 2 images without a caption (first: b.png)',
    'left out: 1 document that cannot be read (a.jsonl:7)',
    'left out: 6 members of archives that belong to no sample (first: x.tar: README.md)',
    'left out: 1 empty file (c.txt)',
  ])
})
