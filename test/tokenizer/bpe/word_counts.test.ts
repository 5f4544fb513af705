import { expect, it } from 'vitest'
import { WordCounts } from '../../../lib/tokenizer/bpe/word_counts.js'
import { byteLevelWords } from '../../../lib/tokenizer/byte_level_words.js'

function countsOf(texts: readonly string[]): Map<string, number> {
  const counts = new WordCounts()
  for (const text of texts) Array.from(counts.add(text))
  return new Map(counts.entries())
}

it('finds words with the white space before them, contractions and runs of one kind', () => {
  const text = "I'm sure they'LL  pay 12\u0085 \ufeff100€!\n\n  end \n"
  expect([...countsOf([text])].map(([word]) => word)).toEqual([
    'I',
    "'m",
    ' sure',
    ' they',
    "'",
    'LL',
    ' ',
    ' pay',
    ' 12',
    '\u0085',
    ' \ufeff',
    '100',
    '€!',
    '\n\n ',
    ' end',
    ' \n',
  ])
})

it('counts words over all texts', () => {
  expect(countsOf(['a b a', '', ' b b'])).toEqual(
    new Map([
      ['a', 1],
      [' b', 3],
      [' a', 1],
    ]),
  )
})

it('counts the words of a long text, which it cuts, as those of the whole', () => {
  let state = 1
  const random = (limit: number) => (state = (state * 48271) % 2147483647) % limit
  const spaces = ['', ' ', '  ', '\n', '\n\n  ', '\u0085 ', ' \u3000\t', '\ufeff']
  const pieces = ['word', 'é🙂', '12', "'s", '\ud83d', '!?', '日本']
  const text = Array.from({ length: 200_000 }, () => pieces[random(7)]! + spaces[random(8)]!).join('')
  const expected = new Map<string, number>()
  for (const word of text.match(byteLevelWords)!) {
    // As UTF-8, which has no lone surrogates.
    const known = Buffer.from(word).toString()
    expected.set(known, (expected.get(known) ?? 0) + 1)
  }
  expect([...countsOf([text]).values()].reduce((sum, count) => sum + count)).toBe(
    [...expected.values()].reduce((sum, count) => sum + count),
  )
  expect(countsOf([text])).toEqual(expected)
})

it('takes a long text without a place to cut it as one piece', () => {
  const text = 'x'.repeat(300_000)
  expect(countsOf([text])).toEqual(new Map([[text, 1]]))
})
