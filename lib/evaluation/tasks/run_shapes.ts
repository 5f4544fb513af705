import { promptTags } from '../../datasets/shapes/prompts.js'
import { questionKinds } from '../../datasets/shapes/questions.js'
import type { GenerativeModel } from '../../generation/model.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import { evaluateShapes, type JudgedPrompt } from '../shapes/evaluate_shapes.js'
import type { ShapesTask } from './evaluate_config.js'
import { meanOfShares, type Metric, shareMetric } from './evaluation_result.js'
import type { Outcome, TaskOptions } from './task.js'

/** Draws prompts of shapes and answers questions on them. Rejects as `evaluateShapes`. */
export async function runShapes(
  model: GenerativeModel,
  task: Omit<ShapesTask, 'images'> & { images: ImageGenerationOptions },
  { seed, signal, onMessage }: TaskOptions,
): Promise<Outcome> {
  const { type: _type, questions: questionsPerKind, ...rest } = task
  const { prompts, answers } = await evaluateShapes(model, {
    seed,
    ...rest,
    questionsPerKind,
    onMessage,
    ...(signal && { signal }),
  })
  for (const line of firstMistakes(prompts)) onMessage(line)
  const byTag = promptTags.map(
    (tag) => [tag, shareCorrect(prompts.filter((each) => each.tag === tag))] as const,
  )
  const byKind = questionKinds.map(
    (kind) => [`${kind}_answers`, shareCorrect(answers.filter((each) => each.kind === kind))] as const,
  )
  return {
    data: `shapes, ${task.combinations} combinations`,
    settings: { seed, questions: questionsPerKind, ...rest },
    metrics: {
      ...(prompts.length > 0 && {
        ...Object.fromEntries(byTag),
        overall: meanOfShares(byTag.map(([, share]) => share)),
      }),
      ...(answers.length > 0 && Object.fromEntries(byKind)),
    },
  }
}

function shareCorrect(judged: readonly { correct: boolean }[]): Metric {
  return shareMetric(judged.filter(({ correct }) => correct).length / judged.length, judged.length)
}

/** A line on the first wrong picture of each kind. */
const firstMistakes = (prompts: readonly JudgedPrompt[]): string[] =>
  promptTags.flatMap((tag) => {
    const wrong = prompts.find((each) => each.tag === tag && !each.correct)
    return wrong ? [`  a mistake in ${tag}, "${wrong.prompt}": ${wrong.reasons.join('; ')}`] : []
  })
