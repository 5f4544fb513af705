import { relativePosition } from '../../datasets/shapes/relations.js'
import type { Box } from '../../datasets/shapes/scene.js'

/** Objects of a class that a prompt asks for, as GenEval's prompt file has them. */
export interface GenEvalRequirement {
  /** The class's name: "bench". */
  readonly class: string
  /** In `include` how many there must be at least, in `exclude` from how many on a picture is wrong. */
  readonly count: number
  /** Of each of them; without it any. */
  readonly color?: string | undefined
  /** "left of", "right of", "above" or "below" the objects of an earlier requirement, by its number. */
  readonly position?: readonly [relation: string, target: number] | undefined
}

/** What a prompt asks for. */
export interface GenEvalRequirements {
  /** All of these. */
  readonly include: readonly GenEvalRequirement[]
  /** None of these. */
  readonly exclude?: readonly GenEvalRequirement[] | undefined
}

/** An object in a picture. */
export interface DetectedObject {
  /** In any unit, the same for all objects of a picture. */
  readonly box: Box
  /** Its name; needed where a requirement names a colour. */
  readonly color?: string | undefined
}

/** Whether a picture is right, and what is wrong with it. */
export interface Verdict {
  /** Whether nothing is wrong. */
  readonly correct: boolean
  /** What is wrong, a line each; empty where the picture is right. */
  readonly reasons: readonly string[]
}

/**
 * Judges a picture by its objects, those of each class the surest first, by GenEval's rules (Ghosh et al. 2023, its
 * `evaluate_images.py`): of each class that is asked for, the surest ones up to the count are looked at; all must have the
 * colour, and each must stand in the relation to each of the target's. Reasons are worded as there.
 */
export function judgeObjects(
  objects: ReadonlyMap<string, readonly DetectedObject[]>,
  { include, exclude = [] }: GenEvalRequirements,
): Verdict {
  const reasons: string[] = []
  const matched: (readonly DetectedObject[] | undefined)[] = []
  for (const requirement of include) {
    const found = (objects.get(requirement.class) ?? []).slice(0, requirement.count)
    const fault =
      countFault(requirement, found) ??
      colourFault(requirement, found) ??
      positionFault(requirement, found, matched)
    if (fault !== undefined) reasons.push(fault)
    matched.push(fault === undefined ? found : undefined)
  }
  for (const { class: name, count } of exclude) {
    const found = objects.get(name)?.length ?? 0
    if (found >= count) reasons.push(`expected ${name}<${count}, found ${found}`)
  }
  return { correct: reasons.length === 0, reasons }
}

type Objects = readonly DetectedObject[]

function countFault({ class: name, count }: GenEvalRequirement, found: Objects): string | undefined {
  return found.length < count ? `expected ${name}>=${count}, found ${found.length}` : undefined
}

function colourFault({ class: name, count, color }: GenEvalRequirement, found: Objects): string | undefined {
  if (color === undefined) return undefined
  const counts = new Map<string, number>()
  for (const object of found)
    if (object.color !== undefined) counts.set(object.color, (counts.get(object.color) ?? 0) + 1)
  const ofColour = counts.get(color) ?? 0
  if (ofColour >= count) return undefined
  const others = [...counts].map(([other, number]) => `${number} ${other}`).join(', ')
  return `expected ${color} ${name}>=${count}, found ${ofColour} ${color}; and ${others}`
}

function positionFault(
  { class: name, position }: GenEvalRequirement,
  found: Objects,
  matched: readonly (Objects | undefined)[],
): string | undefined {
  if (position === undefined) return undefined
  const [relation, target] = position
  const targets = matched[target]
  if (!targets) return `no target for ${name} to be ${relation}`
  for (const object of found)
    for (const other of targets) {
      const relations: ReadonlySet<string> = relativePosition(object.box, other.box)
      if (!relations.has(relation))
        return `expected ${name} ${relation} target, found ${[...relations].join(' and ')} target`
    }
  return undefined
}
