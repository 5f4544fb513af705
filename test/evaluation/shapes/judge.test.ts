import { describe, expect, it } from 'vitest'
import { drawCaptionedScene, type CaptionedScene } from '../../../lib/datasets/shapes/documents.js'
import { promptTags } from '../../../lib/datasets/shapes/prompts.js'
import { renderScene } from '../../../lib/datasets/shapes/render.js'
import { colourNames, type Scene, type SceneObject, shapeNames } from '../../../lib/datasets/shapes/scene.js'
import { findShapes } from '../../../lib/evaluation/shapes/find_shapes.js'
import { judgePicture } from '../../../lib/evaluation/shapes/judge.js'
import type { Image } from '../../../lib/image/image.js'
import { RandomDraws } from '../../../lib/random.js'
import { blurred, withNoise } from './spoil.js'

/** Scenes of all kinds, trained and held-out combinations in turn. */
const scenesOf = (count: number): CaptionedScene[] =>
  Array.from({ length: count }, (_, i) =>
    drawCaptionedScene(
      i % 2 === 0 ? 'trained' : 'held-out',
      new RandomDraws(7, 'scene', i),
      promptTags[i % promptTags.length],
    ),
  )

/** The share of scenes whose pictures the judge takes for right. */
function shareRight(
  scenes: readonly CaptionedScene[],
  side: number,
  spoil = (image: Image, _i: number) => image,
) {
  const right = scenes.filter(
    (each, i) => judgePicture(spoil(renderScene(each.scene, side), i), each).correct,
  )
  return right.length / scenes.length
}

describe('judgePicture', () => {
  it('finds every rendered scene right', () => {
    const scenes = scenesOf(2400)
    for (const { prompt, scene, include } of scenes)
      expect(judgePicture(renderScene(scene, 32), { include }), prompt).toEqual({
        correct: true,
        reasons: [],
      })
    for (const side of [33, 48, 64]) expect(shareRight(scenes.slice(0, 600), side)).toBe(1)
  })

  it('sees through noise and blur', () => {
    const scenes = scenesOf(120)
    expect(shareRight(scenes, 32, (image, i) => withNoise(image, 20, i))).toBeGreaterThan(0.99)
    expect(shareRight(scenes, 32, (image) => blurred(image, 0.6))).toBeGreaterThan(0.99)
    expect(shareRight(scenes, 32, (image, i) => withNoise(blurred(image, 0.6), 12, i))).toBeGreaterThan(0.98)
    expect(shareRight(scenes, 64, (image, i) => withNoise(blurred(image, 1), 12, i))).toBeGreaterThan(0.99)
  })

  it('catches every planted mistake, and says what is wrong', () => {
    const planted = { missing: 0, shape: 0, colour: 0, position: 0, extra: 0, count: 0 }
    for (const { include, scene, tag } of scenesOf(600)) {
      const reject = (wrong: Scene, reason: RegExp, kind: keyof typeof planted) => {
        const { correct, reasons } = judgePicture(renderScene(wrong, 32), { include })
        expect(correct, `${tag}, ${kind}: ${JSON.stringify(wrong)}`).toBe(false)
        expect(reasons.join('\n')).toMatch(reason)
        planted[kind]++
      }
      const [first, second] = scene as [SceneObject, SceneObject?]
      reject(scene.slice(1), /^expected \w+>=\d, found \d$/m, tag === 'counting' ? 'count' : 'missing')
      const others = shapeNames.filter((shape) => scene.every((object) => object.shape !== shape))
      for (const shape of others)
        reject(
          [{ ...first, shape }, ...scene.slice(1)],
          new RegExp(`^expected ${shape}<1, found 1$`, 'm'),
          'shape',
        )
      const named = include.find((requirement) => requirement.color && requirement.class === first.shape)
      for (const colour of named ? colourNames.filter((name) => name !== first.colour) : [])
        reject(
          [{ ...first, colour }, ...scene.slice(1)],
          new RegExp(
            `^expected ${first.colour} ${first.shape}>=1, found 0 ${first.colour}; and 1 ${colour}$`,
            'm',
          ),
          'colour',
        )
      if (tag === 'position') {
        const swapped = [
          { ...first, shape: second!.shape },
          { ...second!, shape: first.shape },
        ]
        reject(swapped, /^expected \w+ (left of|right of|above|below) target, found/m, 'position')
      }
      if (tag === 'color_attr') {
        const swapped = [
          { ...first, colour: second!.colour },
          { ...second!, colour: first.colour },
        ]
        reject(swapped, /^expected \w+ \w+>=1, found 0/m, 'colour')
      }
      const small = { ...first, size: 0.25 }
      const corners = [0.16, 0.84].flatMap((x) => [0.16, 0.84].map((y) => ({ ...small, x, y })))
      const free = corners.find((corner) =>
        scene.every(
          ({ x, y, size }) => Math.max(Math.abs(x - corner.x), Math.abs(y - corner.y)) > size / 2 + 0.22,
        ),
      )
      if (free) reject([...scene, free], /^expected \w+<\d, found \d$/m, 'extra')
    }
    for (const [kind, count] of Object.entries(planted)) expect(count, kind).toBeGreaterThan(50)
  })

  it('takes what is no shape, and no colour, for a mistake', () => {
    const circle: SceneObject = { shape: 'circle', colour: 'red', x: 0.3, y: 0.3, size: 0.4 }
    const blank = renderScene([], 64)
    const include = [{ class: 'circle', count: 1, color: 'red' }] as const
    expect(judgePicture(blank, { include }).reasons).toEqual(['expected circle>=1, found 0'])

    const touching = renderScene([circle, { ...circle, x: 0.65 }], 64)
    expect(judgePicture(touching, { include }).reasons).toContain('expected unrecognised<1, found 1')

    const streaked = renderScene([circle], 64)
    streaked.data.fill(0, 64 * 3 * 56, 64 * 3 * 59)
    expect(judgePicture(streaked, { include }).reasons).toEqual(['expected unrecognised<1, found 1'])

    const grey = renderScene([circle], 64)
    for (let i = 0; i < grey.data.length; i++) if (grey.data[i]! < 128) grey.data[i] = 128
    expect(judgePicture(grey, { include }).reasons[0]).toMatch(
      /^expected red circle>=1, found 0 red; and 1 unrecognised$/,
    )
  })

  it('reads places and sizes to half a pixel', () => {
    for (const { scene } of scenesOf(200)) {
      const found = findShapes(renderScene(scene, 32))
      expect(found.length).toBe(scene.length)
      for (const { shape, colour, x, y, size } of scene) {
        const same = found.filter((object) => Math.hypot(object.x - x, object.y - y) < 0.5 / 32)
        expect(same).toMatchObject([{ shape, colour }])
        expect(Math.abs(same[0]!.size - size)).toBeLessThan(0.5 / 32)
      }
    }
  })

  it('refuses pictures that are not square or not in colour', () => {
    const grey: Image = { width: 32, height: 32, channels: 1, data: new Uint8Array(32 * 32) }
    expect(() => findShapes(grey)).toThrow(
      /^findShapes: image must be square and of 3 channels, received 32 x 32 of 1$/,
    )
    const wide: Image = { width: 40, height: 32, channels: 3, data: new Uint8Array(40 * 32 * 3) }
    expect(() => findShapes(wide)).toThrow(RangeError)
  })
})
