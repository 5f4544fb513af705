import { checkArguments, checkOptions } from '../../arguments.js'
import { drawAskedScene, drawCaptionedScene } from '../../datasets/shapes/documents.js'
import { type Combinations, promptTags, type PromptTag } from '../../datasets/shapes/prompts.js'
import { type QuestionKind, questionKinds } from '../../datasets/shapes/questions.js'
import { renderScene, smallestSide } from '../../datasets/shapes/render.js'
import { completeTexts } from '../../generation/batch.js'
import { generateImages } from '../../generation/generate_images.js'
import type { GenerativeModel } from '../../generation/model.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import { RandomDraws } from '../../random.js'
import { mostTokens } from '../../tokenizer/tokenizer.js'
import { squareSide } from '../generated_size.js'
import { generationProgress } from '../generation_progress.js'
import { judgePicture } from './judge.js'

/** How many pictures and answers are judged, and how they are generated. */
export interface ShapesEvaluationOptions {
  /** The prompts, the questions and the pictures follow from it. */
  seed: number
  /** Prompts of each of the six kinds, with a picture each; 0: none. */
  perKind: number
  /** Questions of each kind; 0: none. */
  questionsPerKind: number
  /** Combinations that training never shows, or such as it does. */
  combinations: Combinations
  /** Sampler, steps, guidance: as of a generation. */
  images?: ImageGenerationOptions
  /** Stops the work, which then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Receives a line on each part that begins, and on the progress of long ones. */
  onMessage?: (line: string) => void
}

/** A picture that was judged. */
export interface JudgedPrompt {
  /** The kind. */
  readonly tag: PromptTag
  /** What was asked for. */
  readonly prompt: string
  /** Whether the picture shows it and nothing else. */
  readonly correct: boolean
  /** What is wrong. */
  readonly reasons: readonly string[]
}

/** An answer that was judged. */
export interface JudgedAnswer {
  /** What was asked for. */
  readonly kind: QuestionKind
  /** As the model was asked. */
  readonly question: string
  /** The right answer. */
  readonly answer: string
  /** What the model wrote, without white space around it. */
  readonly written: string
  /** Whether they are the same. */
  readonly correct: boolean
}

const optionKeys = {
  seed: true,
  perKind: true,
  questionsPerKind: true,
  combinations: true,
  images: true,
  signal: true,
  onMessage: true,
} as const satisfies Record<keyof ShapesEvaluationOptions, true>

/**
 * Has a model that was trained on shapes draw prompts of each kind and answer questions on pictures, and judges both exactly.
 * Rejects with a RangeError where the model generates other pictures than square ones in colour from 32 pixels, and with the
 * signal's reason when it aborts.
 */
export async function evaluateShapes(
  model: GenerativeModel,
  options: ShapesEvaluationOptions,
): Promise<{ prompts: JudgedPrompt[]; answers: JudgedAnswer[] }> {
  checkArguments('evaluateShapes', { model: [model, 'model'], options: [options, 'object'] })
  checkOptions('evaluateShapes', options, optionKeys)
  const side = squareSide('shapes', model, smallestSide)
  const prompts = await judgePrompts(model, options)
  return { prompts, answers: await judgeAnswers(model, side, options) }
}

async function judgePrompts(
  model: GenerativeModel,
  { seed, perKind, combinations, images, signal, onMessage = () => {} }: ShapesEvaluationOptions,
): Promise<JudgedPrompt[]> {
  const total = promptTags.length * perKind
  if (total === 0) return []
  const asked = promptTags.flatMap((tag, kind) =>
    Array.from({ length: perKind }, (_, i) =>
      drawCaptionedScene(combinations, new RandomDraws(seed, 'heldOutScene', kind * perKind + i), tag),
    ),
  )
  onMessage(`Drawing ${total} pictures of shapes ...`)
  const generated = await generateImages(
    model,
    asked.map(({ prompt }) => prompt),
    asked.map((_, i) => seed * 1_000_000 + i),
    images,
    { signal, onImage: generationProgress(total, onMessage) },
  )
  return asked.map(({ tag, prompt, include }, i) => ({
    tag,
    prompt,
    ...judgePicture(generated[i]!, { include }),
  }))
}

async function judgeAnswers(
  model: GenerativeModel,
  side: number,
  { seed, questionsPerKind, combinations, signal, onMessage = () => {} }: ShapesEvaluationOptions,
): Promise<JudgedAnswer[]> {
  if (questionsPerKind === 0) return []
  const asked = questionKinds.flatMap((kind, number) =>
    Array.from({ length: questionsPerKind }, (_, i) =>
      drawAskedScene(
        combinations,
        new RandomDraws(seed, 'heldOutScene', number * questionsPerKind + i),
        kind,
      ),
    ),
  )
  onMessage(`Asking ${asked.length} questions on shapes ...`)
  // One token more than the longest answer: a text that is cut there equals none of them.
  const maxTokens =
    1 +
    (await mostTokens(
      model.tokenizer,
      asked.map(({ answer }) => ` ${answer}`),
    ))
  const contexts = asked.map(({ scene, question }) => [renderScene(scene, side), question])
  const texts = await completeTexts(model, contexts, maxTokens, signal)
  return asked.map(({ kind, question, answer }, i) => {
    const written = texts[i]!.trim()
    return { kind, question, answer, written, correct: written === answer }
  })
}
