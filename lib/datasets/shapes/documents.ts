import { RandomDraws } from '../../random.js'
import type { RawDocument, RawPart } from '../../data/document.js'
import { describeMeaning } from './captions.js'
import { drawEdit, editKinds, type SceneEdit } from './edits.js'
import { type Combinations, drawMeaning, drawScene, type PromptMeaning, promptTags } from './prompts.js'
import { drawQuestion, questionKinds, type SceneQuestion } from './questions.js'
import { renderScene } from './render.js'
import type { Scene } from './scene.js'

/** What documents of shapes are: captioned pictures, questions on pictures, edits of pictures. */
export type ShapesTask = 'caption' | 'question' | 'edit'

/** What documents of shapes follow from, with their index. */
export interface ShapesOptions {
  /** Width and height of the pictures, pixels. */
  readonly size: number
  /** Other seeds, other documents. */
  readonly seed: number
  /** The shares of documents. */
  readonly tasks: Readonly<Record<ShapesTask, number>>
}

/** A scene and its caption. */
export interface CaptionedScene extends PromptMeaning {
  /** In one of many forms. */
  readonly prompt: string
  /** One of those that are meant. */
  readonly scene: Scene
}

/** Draws a caption of one of the kinds, by default of any, with a scene. */
export function drawCaptionedScene(
  combinations: Combinations,
  draws: RandomDraws,
  tag = draws.pick(promptTags),
): CaptionedScene {
  const meaning = drawMeaning(tag, combinations, draws)
  const scene = drawScene(meaning, combinations, draws)
  return { ...meaning, prompt: describeMeaning(meaning, draws), scene }
}

/** A question and the scene that it is on. */
export type AskedScene = SceneQuestion & { readonly scene: Scene }

/** Draws a question of one of the kinds, by default of any, on a scene. */
export function drawAskedScene(
  combinations: Combinations,
  draws: RandomDraws,
  kind = draws.pick(questionKinds),
): AskedScene {
  for (;;) {
    const { scene } = drawCaptionedScene(combinations, draws)
    const question = drawQuestion(scene, kind, draws)
    if (question) return { ...question, scene }
  }
}

/** Draws an edit of one of the kinds, by default of any. */
export function drawEditedScene(
  combinations: Combinations,
  draws: RandomDraws,
  kind = draws.pick(editKinds),
): SceneEdit {
  for (;;) {
    const { scene } = drawCaptionedScene(combinations, draws)
    const edit = drawEdit(scene, kind, combinations, draws)
    if (edit) return edit
  }
}

/**
 * Document `index`, a pure function of the options and the index: a caption and its picture; a picture, a question and its
 * answer; or a picture, an instruction and the edited picture.
 */
export function shapesDocument({ size, seed, tasks }: ShapesOptions, index: number): RawDocument {
  const draws = new RandomDraws(seed, 'scene', index)
  return { name: `shapes ${index}`, parts: partsOf[draws.pickWeighted(tasks)](draws, size) }
}

const text = (words: string): RawPart => ({ type: 'text', text: words })
const picture = (scene: Scene, size: number): RawPart => ({ type: 'image', image: renderScene(scene, size) })

const partsOf: Readonly<Record<ShapesTask, (draws: RandomDraws, size: number) => RawPart[]>> = {
  caption(draws, size) {
    const { prompt, scene } = drawCaptionedScene('trained', draws)
    return [text(prompt), picture(scene, size)]
  },
  question(draws, size) {
    const { question, answer, scene } = drawAskedScene('trained', draws)
    return [picture(scene, size), text(question), text(` ${answer}`)]
  },
  edit(draws, size) {
    const { source, instruction, target } = drawEditedScene('trained', draws)
    return [picture(source, size), text(instruction), picture(target, size)]
  },
}
