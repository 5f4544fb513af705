import type { RandomDraws } from '../../random.js'
import type { Scene, SceneObject } from './scene.js'

/** What an object is, before it has a place. */
export type ObjectKind = Pick<SceneObject, 'shape' | 'colour'>

/** The least distance between the boxes of two objects: 3 pixels of 32, so that blurred ones do not touch. */
const gap = 0.1
/** The least distance to the picture's edge. */
const edge = 0.03
/** The smallest object: 8 pixels of 32, of which shapes can still be told apart. */
const smallest = 0.25
/** The largest object of a scene of so many. */
const largest = [0, 0.6, 0.42, 0.36, 0.34] as const
/** The most objects of a scene. */
export const mostObjects = largest.length - 1

/** Draws of a place for one object before it is given up. */
const tries = 40
/** Layouts that are drawn with all sizes; those after have the smallest, of which any number up to the most has room. */
const layoutsOfAnySize = 20

/** Gives objects sizes and places at random, apart from each other. At most {@link mostObjects} of them. */
export function placeObjects(kinds: readonly ObjectKind[], draws: RandomDraws): Scene {
  for (let layout = 0; ; layout++) {
    const scene: SceneObject[] = []
    const most = layout < layoutsOfAnySize ? largest[kinds.length]! : smallest
    for (const kind of kinds) {
      const placed = placeObject(kind, scene, draws, { size: draws.uniform(smallest, most) })
      if (!placed) break
      scene.push(placed)
    }
    if (scene.length === kinds.length) return scene
  }
}

/** What a place is to be like. */
export interface PlaceOptions {
  /** By default drawn as of a scene of one more object. */
  readonly size?: number
  /** A coordinate that is given. */
  readonly fixed?: Partial<Pick<SceneObject, 'x' | 'y'>>
  /** What else the object must fulfil. */
  readonly accept?: (object: SceneObject) => boolean
}

/** A place for one more object in a scene; undefined where none was found. */
export function placeObject(
  kind: ObjectKind,
  others: Scene,
  draws: RandomDraws,
  options: PlaceOptions = {},
): SceneObject | undefined {
  const { size = draws.uniform(smallest, largest[Math.min(others.length + 1, mostObjects)]) } = options
  const { fixed, accept = () => true } = options
  const nearest = edge + size / 2
  for (let i = 0; i < tries; i++) {
    const x = fixed?.x ?? draws.uniform(nearest, 1 - nearest)
    const y = fixed?.y ?? draws.uniform(nearest, 1 - nearest)
    if (!others.every((other) => isApart(x, y, size, other))) continue
    const object = { shape: kind.shape, colour: kind.colour, x, y, size }
    if (accept(object)) return object
  }
  return undefined
}

/** Whether the box of an object at this place has the least distance from another's. */
const isApart = (x: number, y: number, size: number, other: SceneObject): boolean =>
  Math.max(Math.abs(x - other.x), Math.abs(y - other.y)) >= (size + other.size) / 2 + gap
