/**
 * The combinations that no training picture shows and no training text names: evaluation asks for what a model can only know
 * by its parts. Each shape lacks one colour, three pairs of shapes never meet, three shapes lack one count, and two relations
 * between certain shapes are missing. They follow from the order of the names alone (our choice).
 */
import { type Relation, relationsBetween } from './relations.js'
import { type ColourName, colourNames, type Scene, shapeNames, type ShapeName } from './scene.js'

const numberOf = (shape: ShapeName): number => shapeNames.indexOf(shape)

/** How far the second shape comes after the first in the list, in which the first follows the last. */
const stepsBetween = (a: ShapeName, b: ShapeName): number =>
  (numberOf(b) - numberOf(a) + shapeNames.length) % shapeNames.length

/** The one colour that a shape never has in training. */
export const heldOutColour = (shape: ShapeName): ColourName =>
  colourNames[(3 * numberOf(shape) + 1) % colourNames.length]!

/** Whether two shapes never meet in training: each with the one three further in the list. */
export const isHeldOutPair = (a: ShapeName, b: ShapeName): boolean => stepsBetween(a, b) === 3

/** Whether training has no picture with exactly so many of a shape: one count of 2, 3, 4 for every second shape. */
export function isHeldOutCount(shape: ShapeName, count: number): boolean {
  const number = numberOf(shape)
  return number % 2 === 0 && count === 2 + ((number / 2) % 3)
}

/** Whether training never has shape `a` in this relation to shape `b`. */
export function isHeldOutRelation(a: ShapeName, relation: Relation, b: ShapeName): boolean {
  if (relation === 'right of') return isHeldOutRelation(b, 'left of', a)
  if (relation === 'below') return isHeldOutRelation(b, 'above', a)
  return stepsBetween(a, b) === (relation === 'left of' ? 1 : 2)
}

/** Whether a scene shows any held-out combination. */
export function showsHeldOut(scene: Scene): boolean {
  return (
    scene.some(({ shape, colour }) => colour === heldOutColour(shape)) ||
    shapeNames.some((shape) =>
      isHeldOutCount(shape, scene.filter((object) => object.shape === shape).length),
    ) ||
    scene.some((a, i) =>
      scene
        .slice(i + 1)
        .some(
          (b) =>
            isHeldOutPair(a.shape, b.shape) ||
            [...relationsBetween(a, b)].some((relation) => isHeldOutRelation(a.shape, relation, b.shape)),
        ),
    )
  )
}
