import type { RandomDraws } from '../../random.js'
import type { ColourName, ShapeName } from './scene.js'

/** "circles", "crosses" */
export const plural = (shape: ShapeName): string => `${shape}${shape.endsWith('s') ? 'es' : 's'}`

const numbers = ['zero', 'one', 'two', 'three', 'four'] as const
/** "two"; up to four, the most objects of a scene. */
export const numberWord = (count: number): string => numbers[count]!

/** "a circle", "an orange circle" */
export const withArticle = (words: string): string => `${/^[aeiou]/.test(words) ? 'an' : 'a'} ${words}`

/** An object with its article and, where it is named, its colour, in one of the ways in which captions say it. */
export function objectPhrase(shape: ShapeName, colour: ColourName | undefined, draws: RandomDraws): string {
  if (colour === undefined) return draws.pick([withArticle(shape), `one ${shape}`])
  return draws.pick([
    withArticle(`${colour} ${shape}`),
    withArticle(`${colour} ${shape}`),
    `one ${colour} ${shape}`,
    `a ${shape} in ${colour}`,
    `a ${shape} that is ${colour}`,
  ])
}
