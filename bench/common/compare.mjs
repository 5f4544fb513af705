// Sides of a comparison in turns (see subject.mjs).
import { inTurns } from './turns.mjs'

/**
 * Asks all sides the same, once a round; each answers with { seconds, ... }. Resolves with { sides: { name: { best, median,
 * ...the last answer } }, rate }: the most that a side has measured of the machine.
 */
export async function compareSides(sides, request, options) {
  const answers = {}
  let rate = 0
  const cases = Object.entries(sides).map(([name, side]) => [
    name,
    async () => {
      const answer = await side.ask(request)
      rate = Math.max(rate, answer.rate ?? 0)
      answers[name] = answer
      return answer.seconds
    },
  ])
  const seconds = await inTurns(Object.fromEntries(cases), options)
  const named = Object.keys(sides).map((name) => [name, { ...answers[name], ...seconds[name] }])
  return { sides: Object.fromEntries(named), rate }
}
