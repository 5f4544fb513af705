import { expect, it } from 'vitest'
import { rankOptions } from '../../../lib/evaluation/text/rank.js'
import { type Question, type Ranking, rankAccuracy } from '../../../lib/evaluation/text/ranking.js'
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
  return collected(rankOptions(model, questions, { end, positions: 16 }))
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
    rank_accuracy_per_character: 1,
    rank_accuracy_per_byte: 1,
  })
  await expect(rankAccuracy(rankings(), [1])).rejects.toThrow('received 3 for 1')
})

async function collected(rankings: AsyncIterable<Ranking>): Promise<Ranking[]> {
  const all: Ranking[] = []
  for await (const ranking of rankings) all.push(ranking)
  return all
}

it('takes a context for each option', async () => {
  const model = await scriptedModel()
  const question = { context: { each: ['c', 'a'] }, options: ['b', 'b'] }
  const [ranking] = await collected(rankOptions(model, [question]))
  expect(ranking).toMatchObject({ best: 1, bestPerToken: 1, bestPerCharacter: 1, bestPerByte: 1 })
  const [alone] = await collected(rankOptions(model, [{ context: 'a', options: ['b'] }]))
  expect(ranking!.likelihoods[1]!.nll).toBeCloseTo(alone!.likelihoods[0]!.nll, 4)
  const few = rankOptions(model, [{ context: { each: ['c'] }, options: ['b', 'b'] }])
  await expect(few.next()).rejects.toThrow(
    'rankOptions: question 0 must have a context for each of its 2 options, received 1',
  )
})

it('computes what the context adds to an option', async () => {
  const model = await scriptedModel()
  const [first, second] = await collected(rankOptions(model, questions.slice(0, 2), { unconditional: true }))
  const alone = await collected(rankOptions(model, [{ context: [], options: ['d', 'b', 'c'] }]))
  const added = first!.likelihoods.map(({ nll }, i) => nll - alone[0]!.likelihoods[i]!.nll)
  expect(first!.likelihoods).toHaveLength(3)
  expect(first!.bestByInformation).toBe(added.indexOf(Math.min(...added)))
  expect(second!.likelihoods).toHaveLength(2)
  expect(
    await rankAccuracy(rankOptions(model, questions, { unconditional: true }), [1, 1, 1]),
  ).toHaveProperty('rank_accuracy_by_information')
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
