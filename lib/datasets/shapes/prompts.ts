import type { RandomDraws } from '../../random.js'
import { heldOutColour, isHeldOutCount, isHeldOutPair, isHeldOutRelation, showsHeldOut } from './held_out.js'
import { type ObjectKind, mostObjects, placeObjects } from './layout.js'
import { type Relation, relations, relationsBetween } from './relations.js'
import {
  type ColourName,
  colourNames,
  type Scene,
  type SceneObject,
  shapeNames,
  type ShapeName,
} from './scene.js'

/** The kinds of prompts, by GenEval's tags. */
export const promptTags = [
  'single_object',
  'two_object',
  'counting',
  'colors',
  'position',
  'color_attr',
] as const
/** One of GenEval's six kinds. */
export type PromptTag = (typeof promptTags)[number]

/** So many objects of a shape, as GenEval's "include" has them. */
export interface Requirement {
  /** The shape. */
  readonly class: ShapeName
  /** How many. */
  readonly count: number
  /** Of each; without it any. */
  readonly color?: ColourName
  /** A relation to the objects of an earlier requirement, by its number. */
  readonly position?: readonly [relation: Relation, target: number]
}

/** What a scene must show: these objects and no others. */
export interface PromptMeaning {
  /** The kind of prompt. */
  readonly tag: PromptTag
  /** In the order in which relations refer to them. */
  readonly include: readonly Requirement[]
}

/** Combinations as training has them, or only those that it never shows. A single object has nothing that could be held out. */
export type Combinations = 'trained' | 'held-out'

/** What evaluation varies in each kind; the rest of a prompt is as in training. */
const heldOutPart: Readonly<Record<Exclude<PromptTag, 'single_object'>, string>> = {
  two_object: 'pair',
  counting: 'count',
  colors: 'colour',
  position: 'relation',
  color_attr: 'colour',
}

/** Draws what a prompt of this kind asks for. */
export function drawMeaning(tag: PromptTag, combinations: Combinations, draws: RandomDraws): PromptMeaning {
  const expected = combinations === 'trained' || tag === 'single_object' ? '' : heldOutPart[tag]
  for (;;) {
    const include = requirementsOf[tag](draws)
    if (heldOutParts(include) === expected) return { tag, include }
  }
}

/** Draws a scene that shows this, objects whose colour is open being of colours that are not held out. */
export function drawScene({ include }: PromptMeaning, combinations: Combinations, draws: RandomDraws): Scene {
  for (;;) {
    const kinds = include.flatMap(({ class: shape, count, color }) =>
      Array.from({ length: count }, (): ObjectKind => ({
        shape,
        colour: color ?? trainedColour(shape, draws),
      })),
    )
    const scene = placeObjects(kinds, draws)
    const accepted = combinations === 'held-out' || !showsHeldOut(scene)
    if (accepted && include.every((requirement) => isPlaced(requirement, include, scene))) return scene
  }
}

/** A colour that the shape has in training. */
export const trainedColour = (shape: ShapeName, draws: RandomDraws): ColourName =>
  draws.pick(colourNames.filter((colour) => colour !== heldOutColour(shape)))

/** Whether each object of a requirement stands in its relation to each of the target's. */
function isPlaced(
  { class: shape, position }: Requirement,
  include: readonly Requirement[],
  scene: Scene,
): boolean {
  if (!position) return true
  const [relation, target] = position
  const ofShape = (name: ShapeName): readonly SceneObject[] => scene.filter((object) => object.shape === name)
  return ofShape(shape).every((a) =>
    ofShape(include[target]!.class).every((b) => relationsBetween(a, b).has(relation)),
  )
}

const requirementsOf: Readonly<Record<PromptTag, (draws: RandomDraws) => Requirement[]>> = {
  single_object: (draws) => [{ class: draws.pick(shapeNames), count: 1 }],
  two_object: (draws) => twoShapes(draws).map((shape) => ({ class: shape, count: 1 })),
  counting: (draws) => [{ class: draws.pick(shapeNames), count: draws.integer(2, mostObjects) }],
  colors: (draws) => [{ class: draws.pick(shapeNames), count: 1, color: draws.pick(colourNames) }],
  position(draws) {
    const [subject, target] = twoShapes(draws)
    return [
      { class: target, count: 1 },
      { class: subject, count: 1, position: [draws.pick(relations), 0] },
    ]
  },
  color_attr(draws) {
    const shapes = twoShapes(draws)
    const first = draws.pick(colourNames)
    const second = draws.pick(colourNames.filter((colour) => colour !== first))
    return [
      { class: shapes[0], count: 1, color: first },
      { class: shapes[1], count: 1, color: second },
    ]
  },
}

function twoShapes(draws: RandomDraws): readonly [ShapeName, ShapeName] {
  const first = draws.pick(shapeNames)
  return [first, draws.pick(shapeNames.filter((shape) => shape !== first))]
}

/** What of requirements is held out, in words; empty: nothing. */
function heldOutParts(include: readonly Requirement[]): string {
  const [first, second] = include as [Requirement, Requirement?]
  const parts = {
    colour: include.some(({ class: shape, color }) => color === heldOutColour(shape)),
    count: include.some(({ class: shape, count }) => isHeldOutCount(shape, count)),
    pair: second !== undefined && isHeldOutPair(first.class, second.class),
    relation:
      second?.position !== undefined && isHeldOutRelation(second.class, second.position[0], first.class),
  }
  return Object.entries(parts)
    .flatMap(([part, isHeldOut]) => (isHeldOut ? [part] : []))
    .join(' ')
}
