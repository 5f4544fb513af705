import type { BpeProgress } from '../../tokenizer/bpe/train_tokenizer.js'
import { ProgressLine } from './progress_line.js'

/** Shows on a stream how far the training of a tokenizer is. */
export class TokenizerProgress {
  readonly #line: ProgressLine
  #latest: BpeProgress | undefined
  #written: BpeProgress | undefined

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#line = new ProgressLine(stream)
  }

  update(progress: BpeProgress): void {
    const latest = this.#latest
    // The last line about reading says how much was read: it is always written.
    if (progress.stage === 'merging' && latest?.stage === 'reading' && latest !== this.#written)
      this.#write(latest)
    else if (this.#line.isDue) this.#write(progress)
    this.#latest = progress
  }

  /** Leaves the line that a terminal shows; may be called again. */
  stop(): void {
    this.#line.stop()
  }

  #write(progress: BpeProgress): void {
    this.#written = progress
    this.#line.write(`tokenizer: ${describe(progress)}, ${Math.round(this.#line.seconds)} s`)
  }
}

function describe(progress: BpeProgress): string {
  const count = (number: number) => number.toLocaleString('en')
  if (progress.stage === 'merging') return `${count(progress.tokens)} of ${count(progress.vocabulary)} tokens`
  const { characters, words } = progress
  const read = characters < 1e6 ? count(characters) : `${(characters / 1e6).toFixed(1)} million`
  return `${count(words)} different words in ${read} characters`
}
