// Repeats. Other programs come and go on a machine, so what is compared is measured in turns, and the best time counts:
// nothing makes a program faster than it is.

/** Seconds that `work` takes; where it gives a number, it has measured by itself. */
async function secondsOf(work) {
  const started = performance.now()
  const measured = await work()
  return measured ?? (performance.now() - started) / 1000
}

/** Of seconds: { best, median, all }. */
export function summarize(all) {
  const sorted = all.toSorted((a, b) => a - b)
  return { best: sorted[0], median: sorted[sorted.length >> 1], all }
}

/**
 * Runs each of the cases once a round; { name: { best, median, all } } in seconds. `warmUps` rounds before prepare what is
 * kept and do not count. After `seconds` no new round begins.
 */
export async function inTurns(cases, { rounds = 5, warmUps = 1, seconds = Infinity } = {}) {
  const times = Object.fromEntries(Object.keys(cases).map((name) => [name, []]))
  const started = performance.now()
  for (let round = 0; round < rounds + warmUps; round++) {
    if (round > warmUps && performance.now() - started > seconds * 1000) break
    for (const [name, work] of Object.entries(cases)) {
      const time = await secondsOf(work)
      if (round >= warmUps) times[name].push(time)
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, summarize(all)]))
}

/** The best of some repeats of one piece of work, in seconds. */
export const bestOf = async (work, rounds) => (await inTurns({ work }, { rounds })).work.best
