import { clockTime } from '../reporting/clock_time.js'

/** Milliseconds between two lines. */
const interval = 20_000
/** Milliseconds in which the images of one batch come. */
const batchInterval = 5000

/**
 * Returns a function to call for each image that is generated: every 20 seconds it logs how many there are, and the time that
 * the rest will take, by the batches before the one that is coming in: of that, the first image counts for all. Images beyond the first `total` are further attempts.
 */
export function generationProgress(total: number, onMessage: (line: string) => void): () => void {
  const started = performance.now()
  let logged = started
  let generated = 0
  let [lastImage, batchBegan] = [started, started]
  /** Images of the batches before, and when their last one came. */
  let finished = 0
  let finishedAt = started
  return () => {
    const now = performance.now()
    if (now - batchBegan > batchInterval) {
      finished = generated
      finishedAt = lastImage
      batchBegan = now
    }
    lastImage = now
    generated++
    if (finished === 0 || now - logged < interval) return
    logged = now
    const end = finishedAt + ((finishedAt - started) * (total - finished)) / finished
    const left = Math.max(0, end - now) / 1000
    onMessage(
      generated < total
        ? `  ${generated} of ${total} images, ${clockTime(left)} left`
        : `  ${generated - total} further attempts`,
    )
  }
}
