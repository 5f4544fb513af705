import { describe, expect, it } from 'vitest'
import { drawEditedScene } from '../../../lib/datasets/shapes/documents.js'
import { editKinds, type SceneEdit } from '../../../lib/datasets/shapes/edits.js'
import { showsHeldOut } from '../../../lib/datasets/shapes/held_out.js'
import { renderScene } from '../../../lib/datasets/shapes/render.js'
import { colourNames, type Scene } from '../../../lib/datasets/shapes/scene.js'
import { judgeEdit } from '../../../lib/evaluation/shapes/judge_edit.js'
import { RandomDraws } from '../../../lib/random.js'
import { blurred, withNoise } from './spoil.js'

const editsOf = (count: number): SceneEdit[] =>
  Array.from({ length: count }, (_, i) =>
    drawEditedScene(
      i % 2 === 0 ? 'trained' : 'held-out',
      new RandomDraws(3, 'scene', i),
      editKinds[i % editKinds.length],
    ),
  )

const judged = (edit: SceneEdit, scene: Scene) => judgeEdit(renderScene(scene, 32), edit)

describe('judgeEdit', () => {
  it('finds the edited scene right, through noise and blur too', () => {
    const edits = editsOf(800)
    for (const edit of edits)
      expect(judged(edit, edit.target), edit.instruction).toEqual({ correct: true, reasons: [] })
    const spoiled = edits.slice(0, 100).filter((edit, i) => {
      const image = withNoise(blurred(renderScene(edit.target, 32), 0.6), 12, i)
      return judgeEdit(image, edit).correct
    })
    expect(spoiled.length / 100).toBeGreaterThan(0.97)
  })

  it('catches an edit that was not done, and one that was done to something else', () => {
    for (const edit of editsOf(400)) {
      const { source, target, after, instruction } = edit
      expect(judged(edit, source).correct, instruction).toBe(false)
      const kept = target.filter((object) => object !== after)
      for (const object of kept) {
        const without = target.filter((other) => other !== object)
        expect(judged(edit, without).reasons.join(), instruction).toMatch(/expected \w+ \w+ where it was/)
        const colour = colourNames.find((name) => name !== object.colour)!
        expect(judged(edit, [...without, { ...object, colour }]).correct, instruction).toBe(false)
      }
    }
  })

  it('takes an added object at any place, and a moved one only along its way', () => {
    const circle = { shape: 'circle', colour: 'red', x: 0.5, y: 0.3, size: 0.3 } as const
    const square = { shape: 'square', colour: 'blue', x: 0.3, y: 0.75, size: 0.3 } as const
    const added = { kind: 'add', instruction: 'add a blue square', source: [circle], after: square } as const
    const add: SceneEdit = { ...added, target: [circle, square] }
    expect(judged(add, [circle, { ...square, x: 0.75, size: 0.4 }]).correct).toBe(true)
    expect(judged(add, [circle, { ...square, colour: 'green' }]).reasons).toEqual([
      'expected blue square anywhere',
      'found another green square',
    ])

    const after = { ...circle, x: 0.8 }
    const moved = { kind: 'move', instruction: 'move the circle to the right', direction: 'right' } as const
    const move: SceneEdit = {
      ...moved,
      source: [circle, square],
      before: circle,
      after,
      target: [after, square],
    }
    expect(judged(move, [{ ...circle, x: 0.65 }, square]).correct).toBe(true)
    expect(judged(move, [{ ...circle, x: 0.2 }, square]).reasons).toEqual([
      'expected red circle further right',
      'found another red circle',
    ])
    expect(judged(move, [{ ...circle, x: 0.8, y: 0.5 }, square]).correct).toBe(false)
    expect(judged(move, [after, { ...square, y: 0.6 }]).reasons).toContain(
      'expected blue square where it was',
    )
  })
})

describe('drawEditedScene', () => {
  it('shows held-out combinations before and after in no trained edit', () => {
    const trained = editsOf(800).filter((_, i) => i % 2 === 0)
    expect(trained.filter(({ source, target }) => showsHeldOut(source) || showsHeldOut(target))).toEqual([])
  })
})
