import { checkArguments } from '../../arguments.js'
import type { PromptMeaning } from '../../datasets/shapes/prompts.js'
import { boxOf, shapeNames } from '../../datasets/shapes/scene.js'
import type { Image } from '../../image/image.js'
import {
  type DetectedObject,
  type GenEvalRequirements,
  judgeObjects,
  type Verdict,
} from '../geneval/rules.js'
import { findShapes, unrecognised } from './find_shapes.js'

/**
 * What GenEval's rules are given for a prompt of shapes: what it asks for, and that there is nothing besides, no further shape
 * and nothing that is none.
 */
export function strictRequirements({ include }: Pick<PromptMeaning, 'include'>): GenEvalRequirements {
  const asked = (name: string) =>
    include.reduce((sum, requirement) => sum + (requirement.class === name ? requirement.count : 0), 0)
  const names = [...shapeNames, unrecognised]
  return { include, exclude: names.map((name) => ({ class: name, count: asked(name) + 1 })) }
}

/**
 * Whether a picture of shapes shows what a prompt means and nothing else, read from its pixels by {@link findShapes} and judged
 * by GenEval's rules. Throws as `findShapes`.
 */
export function judgePicture(image: Image, meaning: Pick<PromptMeaning, 'include'>): Verdict {
  checkArguments('judgePicture', { image: [image, 'image'], meaning: [meaning, 'object'] })
  checkArguments('judgePicture', { 'meaning.include': [meaning.include, 'array'] })
  const objects = new Map<string, DetectedObject[]>()
  for (const found of findShapes(image)) {
    const others = objects.get(found.shape) ?? []
    objects.set(found.shape, [...others, { box: boxOf(found), color: found.colour }])
  }
  return judgeObjects(objects, strictRequirements(meaning))
}
