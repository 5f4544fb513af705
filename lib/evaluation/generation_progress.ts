import { clockTime } from '../reporting/clock_time.js'

/** Milliseconds between two lines. */
const interval = 20_000

/**
 * Returns a function to call for each image that is generated: every 20 seconds it logs how many there are, and the time that
 * the rest will take. Images beyond the first `total` are further attempts.
 */
export function generationProgress(total: number, onMessage: (line: string) => void): () => void {
  const started = performance.now()
  let logged = started
  let generated = 0
  return () => {
    generated++
    const now = performance.now()
    if (now - logged < interval) return
    logged = now
    const left = ((now - started) * (total - generated)) / generated / 1000
    onMessage(
      generated < total
        ? `  ${generated} of ${total} images, ${clockTime(left)} left`
        : `  ${generated - total} further attempts`,
    )
  }
}
