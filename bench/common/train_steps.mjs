// Training for a number of steps.

/** Trains for so many steps, at least 2; resolves with their reports and the seconds of each. */
export async function trainSteps(trainer, steps) {
  const stop = new AbortController()
  const reports = []
  const before = trainer.done.seconds
  await trainer.run({
    signal: stop.signal,
    onStep(report) {
      reports.push(report)
      // One more is under way.
      if (reports.length === steps - 1) stop.abort()
    },
  })
  return { reports, seconds: (trainer.done.seconds - before) / reports.length }
}
