import cliProgress from 'cli-progress'
import { clockTime } from '../../reporting/clock_time.js'
import { MatmulShare } from '../../reporting/matmul_rate.js'
import { termTitle } from '../../reporting/term_titles.js'
import type { StepReport } from '../../training/step_report.js'

/** The weight of the newest step in the running means that are shown. */
const recency = 0.02

/** An exponential running mean of finite values, without the bias towards 0 of its beginning. */
class RecentMean {
  #sum = 0
  #weight = 0

  add(value: number): void {
    if (!Number.isFinite(value)) return
    this.#sum += recency * (value - this.#sum)
    this.#weight += recency * (1 - this.#weight)
  }

  get value(): number {
    return this.#sum / this.#weight
  }
}

export interface ProgressOptions {
  /** The machine's rate, see `measureMatmulRate`. Without it, or once it is exceeded, no share of it is shown. */
  matmulRate?: number
  /** Where to write; by default stdout. */
  stream?: NodeJS.WriteStream
}

/** Lines that are written where output is no terminal, and the seconds after which there is one in any case. */
const progressLines = 20
const lineSeconds = 30

/** Shows training: as a bar in a terminal, elsewhere as a line every 5% or half a minute. */
export class TrainingProgress {
  /** Running means of the loss's terms, by name. */
  readonly #terms = new Map<string, RecentMean>()
  readonly #positions = new RecentMean()
  readonly #flops = new RecentMean()
  readonly #seconds = new RecentMean()
  readonly #share: MatmulShare
  readonly #stream: NodeJS.WriteStream
  readonly #bar: cliProgress.SingleBar | undefined
  /** The first report, from which the time left is estimated, and the latest. */
  #first: StepReport | undefined
  #last: StepReport | undefined
  /** Progress and seconds of the last line. */
  #written = { progress: -Infinity, seconds: -Infinity }

  constructor({ matmulRate, stream = process.stdout }: ProgressOptions = {}) {
    this.#share = new MatmulShare(matmulRate)
    this.#stream = stream
    if (stream.isTTY)
      this.#bar = new cliProgress.SingleBar(
        { format: ' {bar} {percentage}% | {line}', stream, hideCursor: true, barsize: 24, fps: 5 },
        cliProgress.Presets.shades_classic,
      )
  }

  update(report: StepReport): void {
    for (const [name, value] of Object.entries(report.terms)) this.#term(name).add(value)
    if (this.#last) {
      this.#positions.add(report.counts['positions'] ?? NaN)
      this.#flops.add(report.flops ?? NaN)
      this.#seconds.add(report.seconds - this.#last.seconds)
    } else this.#bar?.start(1000, 0, { line: '' })
    this.#first ??= report
    this.#last = report
    if (this.#bar) this.#bar.update(permille(report.progress), { line: this.#line() })
    else if (
      Math.floor(report.progress * progressLines) > Math.floor(this.#written.progress * progressLines) ||
      report.seconds >= this.#written.seconds + lineSeconds
    )
      this.#writeLine()
  }

  /** Shows the last step. `completed`: as 100%, even where training ended early. */
  stop(completed = false): void {
    if (!this.#last) return
    if (completed) this.#last = { ...this.#last, progress: 1 }
    if (this.#bar) {
      this.#bar.update(permille(this.#last.progress), { line: this.#line() })
      this.#bar.stop()
    } else if (this.#last.progress > this.#written.progress) this.#writeLine()
  }

  #term(name: string): RecentMean {
    const known = this.#terms.get(name)
    if (known) return known
    const mean = new RecentMean()
    this.#terms.set(name, mean)
    return mean
  }

  #writeLine(): void {
    const { progress, seconds } = this.#last!
    this.#written = { progress, seconds }
    this.#stream.write(` ${Math.floor(permille(progress) / 10)}% | ${this.#line()}\n`)
  }

  #line(): string {
    const last = this.#last!
    const { step, skippedSteps, skippedDocuments = 0 } = last
    const perSecond = (amount: RecentMean) => amount.value / this.#seconds.value
    const rate = perSecond(this.#positions)
    const share = this.#share.of(perSecond(this.#flops))
    return [
      `step ${step}`,
      ...[...this.#terms].flatMap(([name, { value }]) =>
        Number.isNaN(value) ? [] : [`${termTitle(name)} ${value.toFixed(3)}`],
      ),
      ...(Number.isFinite(rate) ? [`${Math.round(rate).toLocaleString('en')} tokens/s`] : []),
      ...(share && Number.isFinite(share) ? [`${Math.round(share * 100)}% of matmul rate`] : []),
      ...(last.progress < 1 ? [`${this.#timeLeft()} left`] : []),
      ...(skippedSteps > 0 ? [`${count(skippedSteps, 'step')} skipped`] : []),
      ...(skippedDocuments > 0 ? [`${count(skippedDocuments, 'document')} skipped`] : []),
    ].join(' | ')
  }

  #timeLeft(): string {
    const [first, last] = [this.#first!, this.#last!]
    // After one step, which is slower than others, there is only its own time to go by.
    const begin = first === last ? { seconds: 0, progress: 0 } : first
    const seconds = ((last.seconds - begin.seconds) / (last.progress - begin.progress)) * (1 - last.progress)
    return Number.isFinite(seconds) ? clockTime(seconds) : '-:--'
  }
}

/** Rounded down: 100% is the end. */
const permille = (progress: number): number => Math.min(1000, Math.floor(progress * 1000))

const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? '' : 's'}`
