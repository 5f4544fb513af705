import type { RandomDraws } from '../../random.js'
import { opposite, type Relation } from './relations.js'
import type { PromptMeaning, Requirement } from './prompts.js'
import { numberWord, objectPhrase, plural } from './words.js'

/** What may stand around the words for the objects; the bare words twice, so that they are commonest. */
const frames = ['{}', '{}', 'a picture of {}', 'an image of {}', 'a drawing with {}', 'there is {}']
const pluralFrames = [...frames.slice(0, -1), 'there are {}']

/** What a caption says between the object and the one that it is seen from. */
const betweenWords: Readonly<Record<Relation, readonly string[]>> = {
  'left of': ['left of', 'to the left of'],
  'right of': ['right of', 'to the right of'],
  above: ['above', 'over'],
  below: ['below', 'under'],
}

/** What follows "with a circle" in a caption that begins with the object it is seen from. */
const afterWords: Readonly<Record<Relation, string>> = {
  'left of': 'to its left',
  'right of': 'to its right',
  above: 'above it',
  below: 'below it',
}

/** Describes what a scene must show in one of many forms. */
export function describeMeaning({ tag, include }: PromptMeaning, draws: RandomDraws): string {
  const [first, second] = include as [Requirement, Requirement?]
  const isPlural = tag === 'counting'
  const words = isPlural
    ? countPhrase(first, draws)
    : second?.position
      ? positionPhrase(second, first, second.position[0], draws)
      : include.map((requirement) => phrase(requirement, draws)).join(' and ')
  return draws.pick(isPlural ? pluralFrames : frames).replace('{}', words)
}

const phrase = ({ class: shape, color }: Requirement, draws: RandomDraws): string =>
  objectPhrase(shape, color, draws)

const countPhrase = ({ class: shape, count }: Requirement, draws: RandomDraws): string =>
  `${draws.pick([numberWord(count), numberWord(count), String(count), `exactly ${numberWord(count)}`])} ${plural(shape)}`

/** "a circle left of a square", "a square with a circle to its left", "a square right of a circle". */
function positionPhrase(
  subject: Requirement,
  target: Requirement,
  relation: Relation,
  draws: RandomDraws,
): string {
  const a = phrase(subject, draws)
  const b = phrase(target, draws)
  return draws.pick([
    `${a} ${draws.pick(betweenWords[relation])} ${b}`,
    `${a} ${draws.pick(betweenWords[relation])} ${b}`,
    `${b} with ${a} ${afterWords[relation]}`,
    `${b} ${draws.pick(betweenWords[opposite[relation]])} ${a}`,
  ])
}
