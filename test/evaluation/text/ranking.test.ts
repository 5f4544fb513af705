/** Ranking against lm-evaluation-harness 0.4.13: test/fixtures/rank/rank.json has its results for given log-likelihoods. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { meanMetric } from '../../../lib/evaluation/tasks/evaluation_result.js'
import { publicQuestion } from '../../../lib/evaluation/text/question_layouts.js'
import { type Ranking, rankAccuracy, rankingOf } from '../../../lib/evaluation/text/ranking.js'

const rules = ['acc', 'acc_norm', 'acc_bytes', 'acc_mutual_info'] as const
type Rule = (typeof rules)[number]

interface Result {
  mean: number
  standard_error: number
}
interface Item {
  choices: string[]
  gold: number
  loglikelihoods: number[]
  unconditional: number[]
  right: Record<Rule, boolean>
}
interface Partial {
  sentence: string
  option1: string
  option2: string
  answer: string
  contexts: string[]
  continuation: string
  loglikelihoods: number[]
  right: boolean
}

const path = new URL('../../fixtures/rank/rank.json', import.meta.url)
const { items, expected, partial } = JSON.parse(readFileSync(path, 'utf8')) as {
  items: Item[]
  expected: Record<Rule, Result>
  partial: { items: Partial[]; expected: { acc: Result } }
}

const likelihoods = (values: readonly number[]) => values.map((value) => ({ nll: -value, tokens: 1 }))
const rankings = items.map(({ choices, loglikelihoods, unconditional }) =>
  rankingOf(
    choices.map((choice) => ` ${choice}`),
    likelihoods(loglikelihoods),
    likelihoods(unconditional),
  ),
)
const bests: Record<Rule, (ranking: Ranking) => number> = {
  acc: ({ best }) => best,
  acc_norm: ({ bestPerCharacter }) => bestPerCharacter,
  acc_bytes: ({ bestPerByte }) => bestPerByte,
  acc_mutual_info: ({ bestByInformation }) => bestByInformation!,
}

it.each(rules)('ranks by %s', (rule) => {
  const right = rankings.map((ranking, i) => bests[rule](ranking) === items[i]!.gold)
  expect(right).toEqual(items.map((item) => item.right[rule]))
  const { value, standard_error } = meanMetric(right.map(Number))
  expect(value).toBeCloseTo(expected[rule].mean, 12)
  expect(standard_error).toBeCloseTo(expected[rule].standard_error, 12)
})

it('gives the shares', async () => {
  async function* all() {
    yield* rankings
  }
  const found = await rankAccuracy(
    all(),
    items.map(({ gold }) => gold),
  )
  expect(found).toMatchObject({
    rank_accuracy: expected.acc.mean,
    rank_accuracy_per_character: expected.acc_norm.mean,
    rank_accuracy_per_byte: expected.acc_bytes.mean,
    rank_accuracy_by_information: expected.acc_mutual_info.mean,
  })
})

it.each(partial.items)('asks WinoGrande by what follows the gap: $sentence', (item) => {
  const { context, options, answer } = publicQuestion(item, 'a')!
  expect(context).toEqual({ each: item.contexts })
  expect(options).toEqual([item.continuation, item.continuation])
  expect(rankingOf(options, likelihoods(item.loglikelihoods)).best === answer).toBe(item.right)
})
