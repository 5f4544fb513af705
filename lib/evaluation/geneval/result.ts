import { meanOfShares, shareMetric, type EvaluationResult } from '../tasks/evaluation_result.js'
import type { GenEvalPicture } from './score.js'

/** GenEval's table: the share of right pictures of each kind, their mean, and the shares of all pictures and prompts. */
export function genEvalMetrics(pictures: readonly GenEvalPicture[]): EvaluationResult['metrics'] {
  const share = (correct: readonly boolean[]) =>
    shareMetric(correct.filter(Boolean).length / correct.length, correct.length)
  const tags = [...new Set(pictures.map(({ tag }) => tag))]
  const byTag = tags.map((tag) =>
    share(pictures.filter((each) => each.tag === tag).map((each) => each.correct)),
  )
  const prompts = new Map<string, boolean>()
  for (const { file, correct } of pictures) {
    const [number] = file.split('/') as [string]
    prompts.set(number, correct || prompts.get(number) === true)
  }
  return {
    ...Object.fromEntries(tags.map((tag, i) => [tag, byTag[i]!])),
    overall: meanOfShares(byTag),
    pictures_right: share(pictures.map(({ correct }) => correct)),
    prompts_right: share([...prompts.values()]),
  }
}
