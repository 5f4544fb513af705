import { clockTime } from '../reporting/clock_time.js'

/** Milliseconds from one line to the next. */
const every = 20_000

/**
 * To be called for each image that is drawn: says how many there are, and at first for how long the others will take, once in
 * 20 seconds. Images that are drawn again come after the first `total`.
 */
export function drawingProgress(total: number, say: (line: string) => void): () => void {
  const started = performance.now()
  let said = started
  let drawn = 0
  return () => {
    drawn++
    const now = performance.now()
    if (now - said < every) return
    said = now
    const left = ((now - started) * (total - drawn)) / drawn / 1000
    say(
      drawn < total
        ? `  ${drawn} of ${total} drawn, ${clockTime(left)} left`
        : `  ${drawn - total} drawn again`,
    )
  }
}
