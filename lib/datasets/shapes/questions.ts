import type { RandomDraws } from '../../random.js'
import { type Scene, type SceneObject, type ShapeName, shapeNames } from './scene.js'
import { numberWord, plural } from './words.js'

/** What questions ask for. */
export const questionKinds = ['count', 'colour', 'shape'] as const
/** What a question asks for. */
export type QuestionKind = (typeof questionKinds)[number]

/** A question on a picture, which has one right answer. */
export interface SceneQuestion {
  /** What it asks for. */
  readonly kind: QuestionKind
  /** "How many circles are there?" */
  readonly question: string
  /** One word, without the space that parts it from the question: "two". */
  readonly answer: string
}

/** Asks something of a scene; undefined where it has nothing of this kind that a question could tell apart. */
export function drawQuestion(
  scene: Scene,
  kind: QuestionKind,
  draws: RandomDraws,
): SceneQuestion | undefined {
  return asked[kind](scene, draws)
}

const asked: Readonly<Record<QuestionKind, (scene: Scene, draws: RandomDraws) => SceneQuestion | undefined>> =
  {
    count(scene, draws) {
      // Half of the time a shape that is there, so that zero is not the commonest answer.
      const present = draws.pick(scene).shape
      const shape = draws.uniform() < 0.5 ? present : draws.pick<ShapeName>(shapeNames)
      const [noun, counted] = draws.pick([
        [plural(shape), scene.filter((object) => object.shape === shape).length],
        ['shapes', scene.length],
      ] as const)
      const question = draws.pick([`How many ${noun} are there?`, `How many ${noun} do you see?`])
      return { kind: 'count', question, answer: numberWord(counted) }
    },
    colour(scene, draws) {
      const object = pickUnique(scene, 'shape', draws)
      if (!object) return undefined
      const { shape, colour } = object
      const question = draws.pick([`What colour is the ${shape}?`, `Which colour does the ${shape} have?`])
      return { kind: 'colour', question, answer: colour }
    },
    shape(scene, draws) {
      const object = pickUnique(scene, 'colour', draws)
      if (!object) return undefined
      const { shape, colour } = object
      const question = draws.pick([`What shape is ${colour}?`, `Which shape is the ${colour} one?`])
      return { kind: 'shape', question, answer: shape }
    },
  }

/** One of the objects that alone have their shape, or their colour. */
function pickUnique(scene: Scene, by: 'shape' | 'colour', draws: RandomDraws): SceneObject | undefined {
  const unique = scene.filter((object) => scene.filter((other) => other[by] === object[by]).length === 1)
  return unique.length === 0 ? undefined : draws.pick(unique)
}
