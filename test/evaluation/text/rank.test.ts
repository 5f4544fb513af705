import { expect, it } from 'vitest'
import { type Question, type Ranking, rankAccuracy, rankOptions } from '../../../lib/evaluation/text/rank.js'
import { scriptedModel } from '../../generation/scripted_model.js'
import { testImage } from '../../models/transfusion/tiny_model.js'

// After "a" comes "b"; after "c", "d", then, third best, "e", then "f" and the end of the document.
const questions: Question[] = [
  { context: 'a', options: ['d', 'b', 'c'] },
  { context: ['a b', testImage(4, 6, 1)], options: ['e', 'c'] },
  { context: 'a', options: ['c', 'c d e f'] },
]

async function rank(end: boolean): Promise<Ranking[]> {
  const model = await scriptedModel()
  const rankings: Ranking[] = []
  for await (const ranking of rankOptions(model, questions, { end, positions: 16 })) rankings.push(ranking)
  return rankings
}

it('finds the option that the model would write', async () => {
  const rankings = await rank(false)
  expect(rankings.map(({ best }) => best)).toEqual([1, 1, 0])
  expect(rankings.map(({ likelihoods }) => likelihoods.length)).toEqual([3, 2, 2])
})

it('ranks options as a whole, or by their tokens on average', async () => {
  const { best, bestPerToken, likelihoods } = (await rank(false))[2]!
  expect([best, bestPerToken]).toEqual([0, 1])
  expect(likelihoods.map(({ tokens }) => tokens)).toEqual([1, 4])
})

it('counts the end of the document among the tokens where the options say so', async () => {
  // "c" is not where a document ends, "c d e f" is.
  expect((await rank(true))[2]).toMatchObject({ best: 1, bestPerToken: 1 })
})

it('says which share of the answers is right', async () => {
  async function* rankings() {
    yield* await rank(false)
  }
  expect(await rankAccuracy(rankings(), [1, 1, 1])).toEqual({
    rank_accuracy: 2 / 3,
    rank_accuracy_per_token: 1,
  })
  await expect(rankAccuracy(rankings(), [1])).rejects.toThrow('received 3 for 1')
})

it('refuses a question without an answer to rank', async () => {
  const model = await scriptedModel()
  const first = (question: Question) => rankOptions(model, [question]).next()
  await expect(first({ context: 'a', options: [] })).rejects.toThrow(
    'rankOptions: question 0 must have options, received none',
  )
  await expect(first({ context: 'a', options: ['b', ' '] })).rejects.toThrow(
    'rankOptions: question 0 must have options of one token or more, received " "',
  )
})
