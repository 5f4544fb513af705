// What both sides of bench decode answer, given how each generates.
import { peakMemory, residentMemory } from './limits.mjs'

const story = (
  'Once upon a time, in a small village by the sea, there lived an old fisherman who went out every morning before the sun ' +
  'was up, with two nets, a lamp and a loaf of bread. One day he found a letter in the net, and read that'
).split(' ')

/** So many words, other ones for each number. */
const textOf = (words, number) =>
  Array.from({ length: words }, (_, i) => story[(i + 5 * number) % story.length]).join(' ')

/**
 * Answers { words, texts, tokens }: continues so many texts at once, of so many words each, by `tokens` tokens ->
 * { seconds, tokens, read, resident, peakMemory }: tokens that were generated and read, memory in bytes. `generate(prompts, tokens)`
 * resolves with [generated, read].
 */
export const decodingAnswers =
  (generate) =>
  async ({ words, texts, tokens }) => {
    const prompts = Array.from({ length: texts }, (_, number) => textOf(words, number))
    const started = performance.now()
    const [generated, read] = await generate(prompts, tokens)
    const seconds = (performance.now() - started) / 1000
    return { seconds, tokens: generated, read, resident: residentMemory(), peakMemory: peakMemory() }
  }

/** Of pairs. */
export const sums = (pairs) => [0, 1].map((i) => pairs.reduce((sum, pair) => sum + pair[i], 0))
