// Sides of a comparison in turns (see subject.mjs).
import { startPeer } from './peers.mjs'
import { startOurs } from './subject.mjs'
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

/** What `body(sides)` resolves with; the sides are gone afterwards. */
export async function withEnded(sides, body) {
  try {
    return await body(sides)
  } finally {
    await Promise.all(Object.values(sides).map((side) => side.end()))
  }
}

/** Starts our side of a bench, and with `peer` PyTorch's, on the same subject, and asks them as `compareSides` does. */
export const compareOn = (name, subject, { peer, request, turns }) =>
  withEnded({ ours: startOurs(name, subject), ...(peer && { PyTorch: startPeer(name, subject) }) }, (sides) =>
    compareSides(sides, request, turns),
  )
