import { describe, expect, it } from 'vitest'
import { type DetectedObject, judgeObjects } from '../../../lib/evaluation/geneval/rules.js'

const at = (x: number, y: number, color?: string): DetectedObject => ({ box: [x, y, x + 10, y + 10], color })
const objects = (found: Record<string, DetectedObject[]>) => new Map(Object.entries(found))

// The words of GenEval's own evaluate().
describe('judgeObjects', () => {
  it('counts what is asked for and what is excluded', () => {
    const include = [{ class: 'pizza', count: 2 }]
    const exclude = [{ class: 'pizza', count: 3 }]
    expect(judgeObjects(objects({ pizza: [at(0, 0), at(30, 0)] }), { include, exclude }).correct).toBe(true)
    expect(judgeObjects(objects({ pizza: [at(0, 0)] }), { include, exclude }).reasons).toEqual([
      'expected pizza>=2, found 1',
    ])
    const three = objects({ pizza: [at(0, 0), at(30, 0), at(60, 0)] })
    expect(judgeObjects(three, { include, exclude }).reasons).toEqual(['expected pizza<3, found 3'])
    expect(judgeObjects(three, { include }).correct).toBe(true)
  })

  it('looks at the colour of the surest objects alone', () => {
    const include = [{ class: 'clock', count: 1, color: 'green' }]
    const found = objects({ clock: [at(0, 0, 'red'), at(30, 0, 'green')] })
    expect(judgeObjects(found, { include }).reasons).toEqual([
      'expected green clock>=1, found 0 green; and 1 red',
    ])
  })

  it('compares places with the objects of an earlier requirement', () => {
    const include = [
      { class: 'couch', count: 1 },
      { class: 'bird', count: 1, position: ['left of', 0] },
    ] as const
    expect(judgeObjects(objects({ couch: [at(50, 0)], bird: [at(0, 0)] }), { include }).correct).toBe(true)
    expect(judgeObjects(objects({ couch: [at(0, 0)], bird: [at(50, 0)] }), { include }).reasons).toEqual([
      'expected bird left of target, found right of target',
    ])
    expect(judgeObjects(objects({ bird: [at(0, 0)] }), { include }).reasons).toEqual([
      'expected couch>=1, found 0',
      'no target for bird to be left of',
    ])
  })
})
