import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { captionMetrics } from '../../../lib/evaluation/captions/caption_metrics.js'
import { captionWords } from '../../../lib/evaluation/captions/caption_words.js'

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/captions/${name}`, import.meta.url), 'utf8'))

interface Case {
  images: Record<string, { references: string[]; candidate: string }>
  expected: {
    cider_d: number
    cider_d_each: number[]
    cider: number
    cider_each: number[]
    bleu: number[]
    bleu_each: number[][]
    rouge_l: number
    rouge_l_each: number[]
  }
}

const cases = Object.entries(fixture('captions.json').cases as Record<string, Case>)

/** Its words are what stands between spaces. */
const captionsOf = ({ images }: Case) =>
  // JSON.parse puts "10" before "00".
  Object.keys(images)
    .toSorted()
    .map((name) => images[name]!)
    .map(({ candidate, references }) => ({
      written: candidate.split(' '),
      references: references.map((reference) => reference.split(' ')),
    }))

const expectNear = (found: readonly number[], expected: readonly number[]) => {
  expect(found.length).toBe(expected.length)
  for (const [i, value] of found.entries())
    expect(Math.abs(value - expected[i]!), `number ${i}`).toBeLessThan(1e-6)
}

it.each(cases)('agrees with pycocoevalcap: %s', (_, one) => {
  const captions = captionsOf(one)
  const { each, ...found } = captionMetrics(captions)
  const { expected } = one
  expectNear(
    [found.cider_d, found.cider, found.rouge_l, found.bleu_1, found.bleu_2, found.bleu_3, found.bleu_4],
    [expected.cider_d, expected.cider, expected.rouge_l, ...expected.bleu],
  )
  expectNear(each.cider_d, expected.cider_d_each)
  expectNear(each.cider, expected.cider_each)
  expectNear(each.rouge_l, expected.rouge_l_each)
  for (const [i, caption] of captions.entries()) {
    const { bleu_1, bleu_2, bleu_3, bleu_4 } = captionMetrics([caption])
    expectNear(
      [bleu_1, bleu_2, bleu_3, bleu_4],
      expected.bleu_each.map((order) => order[i]!),
    )
  }
})

const { captions } = fixture('words.json') as { captions: { text: string; words: string[] }[] }

it.each(captions)('parts "$text" as the Penn Treebank does', ({ text, words }) => {
  expect(captionWords(text)).toEqual(words)
})

it('takes texts', () => {
  const found = captionMetrics([{ written: "The dog doesn't run.", references: ['the dog does n’t run'] }])
  expect(found.bleu_4).toBeCloseTo(1, 8)
  expect(found.rouge_l).toBe(1)
})

it.each([[''], [' '], ['.']])('scores the caption %j, which has no words, 0', (written) => {
  const others = { written: 'a cat', references: ['a cat'] }
  const { each, bleu_1 } = captionMetrics([{ written, references: ['a dog'] }, others])
  expect(each).toMatchObject({ cider_d: [0, 5], cider: [0, 5], rouge_l: [0, 1] })
  expect(bleu_1).toBeGreaterThan(0)
})

it('says what is wrong with what it is given', () => {
  expect(() => captionMetrics([])).toThrow('captions are empty')
  expect(() => captionMetrics([{ written: 'a', references: [] }])).toThrow(
    'captionMetrics: caption 0 has no references, expected one or more',
  )
  expect(() => captionMetrics([{ written: 'a', references: [7 as unknown as string] }])).toThrow(
    'captionMetrics: caption 0: each of references must be an array of strings, received 7',
  )
})
