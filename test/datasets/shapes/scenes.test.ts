import { describe, expect, it } from 'vitest'
import { drawAskedScene, drawCaptionedScene } from '../../../lib/datasets/shapes/documents.js'
import { heldOutColour, showsHeldOut } from '../../../lib/datasets/shapes/held_out.js'
import { promptTags } from '../../../lib/datasets/shapes/prompts.js'
import { questionKinds } from '../../../lib/datasets/shapes/questions.js'
import { relationsBetween, relativePosition } from '../../../lib/datasets/shapes/relations.js'
import { renderScene } from '../../../lib/datasets/shapes/render.js'
import { boxOf, palette, shapeNames } from '../../../lib/datasets/shapes/scene.js'
import { RandomDraws } from '../../../lib/random.js'

const draws = (index: number) => new RandomDraws(11, 'scene', index)

describe('drawCaptionedScene', () => {
  it('keeps objects apart and inside the picture', () => {
    for (let i = 0; i < 600; i++) {
      const { scene } = drawCaptionedScene('trained', draws(i))
      for (const [n, object] of scene.entries()) {
        const box = boxOf(object)
        expect(Math.min(...box)).toBeGreaterThan(0.02)
        expect(Math.max(...box)).toBeLessThan(0.98)
        for (const other of scene.slice(n + 1)) {
          const [left, top, right, bottom] = boxOf(other)
          const distance = Math.max(left - box[2], box[0] - right, top - box[3], box[1] - bottom)
          expect(distance).toBeGreaterThan(0.099)
        }
      }
    }
  })

  it('trains on no combination that is held out, and evaluates on nothing else', () => {
    for (const tag of promptTags)
      for (let i = 0; i < 150; i++) {
        expect(showsHeldOut(drawCaptionedScene('trained', draws(i), tag).scene)).toBe(false)
        const { scene } = drawCaptionedScene('held-out', draws(i), tag)
        expect(tag === 'single_object' || showsHeldOut(scene)).toBe(true)
      }
  })

  it('has every trained colour of every shape, and describes each kind in many forms', () => {
    const colours = new Set<string>()
    const captions = new Map(promptTags.map((tag) => [tag, new Set<string>()]))
    for (let i = 0; i < 6000; i++) {
      const { scene, tag, prompt } = drawCaptionedScene('trained', draws(i))
      for (const { shape, colour } of scene) colours.add(`${colour} ${shape}`)
      captions.get(tag)!.add(prompt)
    }
    expect(colours.size).toBe(shapeNames.length * 7)
    for (const shape of shapeNames) expect(colours).not.toContain(`${heldOutColour(shape)} ${shape}`)
    for (const forms of captions.values()) expect(forms.size).toBeGreaterThan(40)
    expect(
      [...captions.get('position')!].filter((caption) => caption.includes('to its left')).length,
    ).toBeGreaterThan(5)
  })

  it('says what the scene shows', () => {
    for (let i = 0; i < 300; i++) {
      const { scene, include, prompt } = drawCaptionedScene('held-out', draws(i))
      for (const { class: shape, count, color, position } of include) {
        expect(prompt).toContain(shape)
        const objects = scene.filter((object) => object.shape === shape)
        expect(objects.length).toBe(count)
        expect(prompt).toContain(color ?? '')
        expect(objects.filter(({ colour }) => colour !== (color ?? colour))).toEqual([])
        const [relation, target] = position ?? []
        const other = scene.find((object) => object.shape === include[target ?? -1]?.class)
        expect(!other || relationsBetween(objects[0]!, other).has(relation!)).toBe(true)
      }
    }
  })
})

describe('drawAskedScene', () => {
  it('asks what has one right answer', () => {
    const answers = new Set<string>()
    for (const kind of questionKinds)
      for (let i = 0; i < 300; i++) {
        const { scene, question, answer } = drawAskedScene('trained', draws(i), kind)
        answers.add(answer)
        const noun = /(\w+?)(e?s)? (are there|do you see)\?$/.exec(question)?.[1]
        const named = (object: { shape: string; colour: string }) =>
          question.includes(kind === 'colour' ? object.shape : object.colour)
        const expected = {
          count: () => {
            const counted = scene.filter(({ shape }) => noun === 'shap' || shape.startsWith(noun!))
            return ['zero', 'one', 'two', 'three', 'four'][counted.length]
          },
          colour: () =>
            scene
              .filter(named)
              .map(({ colour }) => colour)
              .join(),
          shape: () =>
            scene
              .filter(named)
              .map(({ shape }) => shape)
              .join(),
        }
        expect(answer, question).toBe(expected[kind]())
      }
    expect(answers.size).toBe(5 + 8 + 6)
  })
})

describe('renderScene', () => {
  it('covers as much as the shape has area, in its colour, at its place', () => {
    const areas = {
      circle: Math.PI / 4,
      square: 1,
      triangle: 0.5,
      diamond: 0.5,
      cross: 0.5775,
      ring: (Math.PI * 3) / 16,
    }
    for (const shape of shapeNames) {
      const { width, data } = renderScene([{ shape, colour: 'black', x: 0.4, y: 0.6, size: 0.5 }], 100)
      let sum = 0
      let [x, y] = [0, 0]
      for (let pixel = 0; pixel < width * width; pixel++) {
        const covered = (255 - data[pixel * 3]!) / (255 - palette.black[0])
        sum += covered
        x += covered * ((pixel % width) + 0.5)
        y += covered * (Math.floor(pixel / width) + 0.5)
      }
      expect(Math.abs(sum / (2500 * areas[shape]) - 1)).toBeLessThan(0.01)
      expect(x / sum).toBeCloseTo(40, 1)
      expect(y / sum).toBeCloseTo(shape === 'triangle' ? 60 + 25 / 3 : 60, 0)
    }
  })

  it('draws the colour inside and nothing outside', () => {
    const { data } = renderScene([{ shape: 'ring', colour: 'orange', x: 0.5, y: 0.5, size: 0.75 }], 32)
    const at = (x: number, y: number) => [...data.subarray((y * 32 + x) * 3, (y * 32 + x) * 3 + 3)]
    expect(at(7, 16)).toEqual([255, 140, 0])
    expect(at(16, 16)).toEqual([255, 255, 255])
    expect(at(1, 1)).toEqual([255, 255, 255])
    expect(() => renderScene([], 31)).toThrow(/^renderScene: side must be an integer from 32, received 31$/)
  })
})

describe('relativePosition', () => {
  const box = (x: number, y: number, size = 10) => [x, y, x + size, y + size] as const
  it("follows GenEval's rule", () => {
    expect([...relativePosition(box(0, 0), box(50, 0))]).toEqual(['left of'])
    expect([...relativePosition(box(50, 0), box(0, 10))]).toEqual(['right of'])
    expect([...relativePosition(box(0, 0), box(0, 50))]).toEqual(['above'])
    expect([...relativePosition(box(50, 50), box(0, 0))]).toEqual(['right of', 'below'])
    // A fifth of the extent of 10 lies within the margin, and so does half of a way of 4.
    expect([...relativePosition(box(0, 0), box(2, 0))]).toEqual([])
    expect([...relativePosition(box(0, 0), box(4, 0))]).toEqual([])
    expect([...relativePosition(box(0, 0), box(5, 0))]).toEqual(['left of'])
    expect([...relativePosition(box(0, 0), box(0, 0))]).toEqual([])
  })
})
