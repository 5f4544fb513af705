import type { RandomDraws } from '../../random.js'
import { showsHeldOut } from './held_out.js'
import { mostObjects, placeObject } from './layout.js'
import type { Combinations } from './prompts.js'
import { type ColourName, colourNames, type Scene, type SceneObject, shapeNames } from './scene.js'
import { withArticle } from './words.js'

/** What an edit does to one object of a scene. */
export const editKinds = ['recolour', 'remove', 'add', 'move'] as const
/** What an edit does. */
export type EditKind = (typeof editKinds)[number]

/** Where an object is moved to. */
export const directions = ['left', 'right', 'up', 'down'] as const
/** Where an object is moved to. */
export type Direction = (typeof directions)[number]

/** A scene before and after an edit, and the words that ask for it. */
export interface SceneEdit {
  /** What it does. */
  readonly kind: EditKind
  /** "make the red circle blue" */
  readonly instruction: string
  /** Before. */
  readonly source: Scene
  /** One right result: where an edit adds or moves, other places are right too. */
  readonly target: Scene
  /** What is changed as it is before; absent where it is added. */
  readonly before?: SceneObject
  /** What is changed as it is after; absent where it is removed. */
  readonly after?: SceneObject
  /** Of a move. */
  readonly direction?: Direction
}

/** The least way of a move, as a share of the picture's side. */
export const leastMove = 0.15

/**
 * Draws an edit of a scene; undefined where it has none of this kind, or none whose result shows only trained combinations
 * where only those are asked for. The instruction names its object by its shape, where
 * that is unique, or by colour and shape.
 */
export function drawEdit(
  source: Scene,
  kind: EditKind,
  combinations: Combinations,
  draws: RandomDraws,
): SceneEdit | undefined {
  const edit = drawn[kind](source, draws)
  if (!edit || (combinations === 'trained' && showsHeldOut(edit.target))) return undefined
  return { kind, source, ...edit }
}

type DrawnEdit = Omit<SceneEdit, 'kind' | 'source'>

const drawn: Readonly<Record<EditKind, (source: Scene, draws: RandomDraws) => DrawnEdit | undefined>> = {
  recolour(source, draws) {
    const named = pickNamed(source, draws)
    if (!named) return undefined
    const [before, name] = named
    const colour = draws.pick<ColourName>(colourNames.filter((other) => other !== before.colour))
    const after = { ...before, colour }
    const instruction = draws.pick([
      `make ${name} ${colour}`,
      `change the colour of ${name} to ${colour}`,
      `paint ${name} ${colour}`,
    ])
    return { instruction, before, after, target: replaced(source, before, after) }
  },
  remove(source, draws) {
    const named = source.length > 1 ? pickNamed(source, draws) : undefined
    if (!named) return undefined
    const [before, name] = named
    const instruction = draws.pick([`remove ${name}`, `take away ${name}`, `delete ${name}`])
    return { instruction, before, target: source.filter((object) => object !== before) }
  },
  add(source, draws) {
    if (source.length >= mostObjects) return undefined
    const kind = { shape: draws.pick(shapeNames), colour: draws.pick(colourNames) }
    const after = placeObject(kind, source, draws)
    if (!after) return undefined
    const name = withArticle(`${kind.colour} ${kind.shape}`)
    return { instruction: draws.pick([`add ${name}`, `put in ${name}`]), after, target: [...source, after] }
  },
  move(source, draws) {
    const named = pickNamed(source, draws)
    if (!named) return undefined
    const [before, name] = named
    const direction = draws.pick(directions)
    const after = movedObject(before, direction, source, draws)
    if (!after) return undefined
    const where = direction === 'up' || direction === 'down' ? direction : `to the ${direction}`
    const instruction = draws.pick([`move ${name} ${where}`, `shift ${name} ${where}`])
    return { instruction, before, after, direction, target: replaced(source, before, after) }
  },
}

/** The object at another place in this direction, on the same line. */
function movedObject(
  before: SceneObject,
  direction: Direction,
  source: Scene,
  draws: RandomDraws,
): SceneObject | undefined {
  const others = source.filter((object) => object !== before)
  const { x, y, size, ...kind } = before
  const axis = direction === 'left' || direction === 'right' ? 'x' : 'y'
  const sign = direction === 'left' || direction === 'up' ? -1 : 1
  const onLine = axis === 'x' ? { y } : { x }
  const isFar = (object: SceneObject) => sign * (object[axis] - before[axis]) >= leastMove
  return placeObject(kind, others, draws, { size, fixed: onLine, accept: isFar })
}

const replaced = (scene: Scene, before: SceneObject, after: SceneObject): Scene =>
  scene.map((object) => (object === before ? after : object))

/** An object that a name tells from all others, "the circle" or "the red circle", and that name. */
function pickNamed(scene: Scene, draws: RandomDraws): readonly [SceneObject, string] | undefined {
  const isAlone = (object: SceneObject, ...by: readonly ('shape' | 'colour')[]) =>
    scene.every((other) => other === object || by.some((key) => other[key] !== object[key]))
  const candidates = scene.flatMap((object) => [
    ...(isAlone(object, 'shape') ? [[object, `the ${object.shape}`] as const] : []),
    ...(isAlone(object, 'shape', 'colour')
      ? [[object, `the ${object.colour} ${object.shape}`] as const]
      : []),
  ])
  return candidates.length === 0 ? undefined : draws.pick(candidates)
}
