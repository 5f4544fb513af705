import { checkArguments } from '../../arguments.js'
import { type Direction, leastMove, type SceneEdit } from '../../datasets/shapes/edits.js'
import type { SceneObject } from '../../datasets/shapes/scene.js'
import type { Image } from '../../image/image.js'
import type { Verdict } from '../geneval/rules.js'
import { findShapes, type FoundObject } from './find_shapes.js'

/** How far an object may be from where it was and still be there, as a share of the picture's side: 2 pixels of 32. */
const placeTolerance = 0.07
/** How much larger or smaller an object may be and still be as it was, as a share of its size. */
const sizeTolerance = 0.3
/** The least way that counts as moved: less than edits in training move by, more than a place's tolerance. */
const leastFoundMove = (leastMove + placeTolerance) / 2

/**
 * Whether a picture is the edited one: the edited object as the edit says, every other one as and where it was, and nothing
 * else. An added object may be at any free place and of any size, a moved one anywhere on its line in the direction. Throws as `findShapes`.
 */
export function judgeEdit(image: Image, edit: SceneEdit): Verdict {
  checkArguments('judgeEdit', { image: [image, 'image'], edit: [edit, 'object'] })
  const { source, before, after } = edit
  checkArguments('judgeEdit', { 'edit.source': [source, 'array'] })
  const found = findShapes(image)
  const reasons: string[] = []
  const take = (expected: SceneObject, isPlaced: (object: FoundObject) => boolean, what: string) => {
    const index = found.findIndex((object) => looksLike(object, expected) && isPlaced(object))
    if (index < 0) reasons.push(`expected ${nameOf(expected)} ${what}`)
    else found.splice(index, 1)
  }
  for (const kept of source) if (kept !== before) take(kept, (object) => isAt(object, kept), 'where it was')
  if (after) {
    const { isPlaced, what } = placeOf(edit, after)
    take(after, isPlaced, what)
  }
  for (const object of found) reasons.push(`found another ${nameOf(object)}`)
  return { correct: reasons.length === 0, reasons }
}

const nameOf = ({ colour, shape }: Pick<FoundObject, 'colour' | 'shape'>): string => `${colour} ${shape}`

const looksLike = (object: FoundObject, { shape, colour }: SceneObject): boolean =>
  object.shape === shape && object.colour === colour

const isAsLarge = (object: FoundObject, { size }: SceneObject): boolean =>
  Math.abs(object.size - size) <= sizeTolerance * size

const isAt = (object: FoundObject, expected: SceneObject): boolean =>
  isAsLarge(object, expected) && Math.hypot(object.x - expected.x, object.y - expected.y) <= placeTolerance

/** Where the edited object must be. */
function placeOf(
  { before, direction }: SceneEdit,
  after: SceneObject,
): { isPlaced: (object: FoundObject) => boolean; what: string } {
  if (!before) return { isPlaced: () => true, what: 'anywhere' }
  if (direction === undefined) return { isPlaced: (object) => isAt(object, after), what: 'where it was' }
  return { isPlaced: (object) => isMoved(before, object, direction), what: `further ${direction}` }
}

function isMoved(before: SceneObject, object: FoundObject, direction: Direction): boolean {
  const [dx, dy] = [object.x - before.x, object.y - before.y]
  const [along, across] = direction === 'left' || direction === 'right' ? [dx, dy] : [dy, dx]
  const sign = direction === 'left' || direction === 'up' ? -1 : 1
  return isAsLarge(object, before) && sign * along >= leastFoundMove && Math.abs(across) <= placeTolerance
}
