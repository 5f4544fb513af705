import { type Box, boxOf, type SceneObject } from './scene.js'

/** Where one object is, seen from another, in GenEval's words. */
export const relations = ['left of', 'right of', 'above', 'below'] as const
/** One of the four directions. */
export type Relation = (typeof relations)[number]

/** What B is of A, where A is this of B. */
export const opposite = {
  'left of': 'right of',
  'right of': 'left of',
  above: 'below',
  below: 'above',
} as const satisfies Record<Relation, Relation>

/** The part of the two objects' summed extents that must lie between their centres at least (GenEval's). */
const margin = 0.1

/**
 * Where box A lies, seen from box B, by GenEval's rule: the offset of the centres, less a tenth of the summed extents in each
 * direction, must keep more than half of its length in a direction. Diagonal neighbours have two relations, close ones none.
 */
export function relativePosition(a: Box, b: Box): ReadonlySet<Relation> {
  const offset = [0, 1].map((axis) => (a[axis]! + a[axis + 2]! - b[axis]! - b[axis + 2]!) / 2)
  const length = Math.hypot(offset[0]!, offset[1]!)
  const [x, y] = offset.map((distance, axis) => {
    const extents = Math.abs(a[axis + 2]! - a[axis]!) + Math.abs(b[axis + 2]! - b[axis]!)
    return (Math.sign(distance) * Math.max(Math.abs(distance) - margin * extents, 0)) / length
  }) as [number, number]
  const found = new Set<Relation>()
  if (x < -0.5) found.add('left of')
  if (x > 0.5) found.add('right of')
  if (y < -0.5) found.add('above')
  if (y > 0.5) found.add('below')
  return found
}

/** Where one object of a scene lies, seen from another. */
export const relationsBetween = (a: SceneObject, b: SceneObject): ReadonlySet<Relation> =>
  relativePosition(boxOf(a), boxOf(b))
