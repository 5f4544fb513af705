import { describe, expect, it } from 'vitest'
import type { Tokenizer } from '../../lib/tokenizer/tokenizer.js'
import { StreamedText } from '../../lib/generation/text_output.js'
import { generator } from '../host_array.js'

/** A token is a piece of text. */
const pieces: string[] = []
const tokenizer = {
  decode: (ids: readonly number[]) => ids.map((id) => pieces[id]).join(''),
} as unknown as Tokenizer

/** What is given for each token, then for the end; and the stop string, if one came. */
function feed(texts: readonly string[], stops: readonly string[]) {
  const output = new StreamedText(tokenizer, stops)
  const given: string[] = []
  for (const text of texts) {
    const { text: piece, stop } = output.push(pieces.push(text) - 1)
    given.push(piece)
    if (stop !== undefined) return { given, stop }
  }
  const { text, stop } = output.flush()
  return { given: [...given, text], stop }
}

describe('StreamedText', () => {
  it('gives text at once where it cannot become a stop string', () => {
    expect(feed(['ab', 'cd', 'e'], ['x'])).toEqual({ given: ['ab', 'cd', 'e', ''], stop: undefined })
    expect(feed(['ab', 'cd'], [])).toEqual({ given: ['ab', 'cd', ''], stop: undefined })
  })

  it('holds back what could, across token borders, and gives it once it cannot', () => {
    expect(feed(['a<', 'en', 'd', '!'], ['<end>'])).toEqual({
      given: ['a', '', '', '<end!', ''],
      stop: undefined,
    })
    expect(feed(['a<', 'en', 'd>b'], ['<end>'])).toEqual({ given: ['a', '', ''], stop: '<end>' })
    expect(feed(['a<', '<en', 'd', '>'], ['<end>'])).toEqual({ given: ['a', '<', '', ''], stop: '<end>' })
  })

  it('gives what was held back at the end', () => {
    expect(feed(['a<e'], ['<end>'])).toEqual({ given: ['a', '<e'], stop: undefined })
  })

  it('stops at the string that ends first; of those that end together at the longest', () => {
    expect(feed(['xabcd'], ['bcd', 'abc'])).toEqual({ given: ['x'], stop: 'abc' })
    expect(feed(['xabc'], ['c', 'bc'])).toEqual({ given: ['xa'], stop: 'bc' })
  })

  it('gives the same whatever the token borders, for random texts and stop strings', () => {
    const next = generator(5)
    const word = (length: number) => Array.from({ length }, () => 'ab'[Math.floor(next() * 2)]!).join('')
    let stopped = 0
    for (let round = 0; round < 2000; round++) {
      const text = word(12)
      const stops = Array.from({ length: 1 + Math.floor(next() * 2) }, () => word(3 + Math.floor(next() * 4)))
      // Of the text's beginnings, the first that ends with a stop string.
      const end = Array.from({ length: 13 }, (_, i) => i).find((i) =>
        stops.some((stop) => text.slice(0, i).endsWith(stop)),
      )
      const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop))
      const stop = end === undefined ? undefined : ending.toSorted((a, b) => b.length - a.length)[0]!
      const expected = stop === undefined ? text : text.slice(0, end! - stop.length)
      const cut: string[] = []
      for (let at = 0; at < text.length;) {
        const length = 1 + Math.floor(next() * 4)
        cut.push(text.slice(at, at + length))
        at += length
      }
      const { given, stop: found } = feed(cut, stops)
      expect(given.join('')).toBe(expected)
      expect(found).toBe(stop)
      if (found !== undefined) stopped++
    }
    expect(stopped).toBeGreaterThan(300)
  })
})
