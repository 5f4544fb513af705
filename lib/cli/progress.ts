import cliProgress from 'cli-progress'
import type { StepReport } from '../training/step_report.js'

const formatTime = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

/** A running mean that ignores NaN. */
class RecentMean {
  #mean = NaN

  add(value: number): void {
    if (!Number.isNaN(value))
      this.#mean = Number.isNaN(this.#mean) ? value : this.#mean + 0.02 * (value - this.#mean)
  }

  toString(): string {
    return Number.isNaN(this.#mean) ? '-' : this.#mean.toFixed(3)
  }
}

/** Shows training in the terminal: a bar, or a line every ten seconds where output is no terminal. */
export class TrainingProgress {
  readonly #lm = new RecentMean()
  readonly #diffusion = new RecentMean()
  readonly #bar = new cliProgress.SingleBar({
    format: ' {bar} {percentage}% | {line}',
    stream: process.stdout,
    hideCursor: true,
    barsize: 24,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
    fps: 5,
  })
  #positions = 0
  #started = false

  update(report: StepReport): void {
    this.#lm.add(report.lm)
    this.#diffusion.add(report.diffusion)
    this.#positions += report.positions
    const { step, progress, seconds } = report
    const left = (seconds / progress) * (1 - progress)
    const rate = Math.round(this.#positions / seconds).toLocaleString('en')
    const line =
      `step ${step} | text loss ${this.#lm} | image loss ${this.#diffusion} | ` +
      `${rate} tokens/s | ${formatTime(left)} left`
    const permille = Math.min(1000, Math.round(progress * 1000))
    if (this.#started) this.#bar.update(permille, { line })
    else this.#bar.start(1000, permille, { line })
    this.#started = true
  }

  stop(): void {
    if (this.#started) this.#bar.stop()
  }
}
