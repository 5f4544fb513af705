import type { BpeProgress } from '../../tokenizer/bpe/train_tokenizer.js'

/** Seconds between two lines about progress: in a terminal, where each takes the place of the last, and elsewhere. */
const terminalSeconds = 0.2
const plainSeconds = 10

/** Shows on a stream how far the training of a tokenizer is. */
export class TokenizerProgress {
  readonly #stream: NodeJS.WriteStream
  readonly #started = performance.now()
  #shown = -Infinity
  #latest: BpeProgress | undefined
  #written: BpeProgress | undefined

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  update(progress: BpeProgress): void {
    const latest = this.#latest
    const seconds = (performance.now() - this.#shown) / 1000
    // The last line about reading says how much was read: it is always written.
    if (progress.stage === 'merging' && latest?.stage === 'reading' && latest !== this.#written)
      this.#write(latest)
    else if (seconds >= (this.#stream.isTTY ? terminalSeconds : plainSeconds)) this.#write(progress)
    this.#latest = progress
  }

  /** Leaves the line that a terminal shows; may be called again. */
  stop(): void {
    if (this.#stream.isTTY && this.#written) this.#stream.write('\n')
    this.#written = undefined
  }

  #write(progress: BpeProgress): void {
    this.#shown = performance.now()
    this.#written = progress
    const line = `tokenizer: ${describe(progress)}, ${Math.round((this.#shown - this.#started) / 1000)} s`
    this.#stream.write(this.#stream.isTTY ? `\r\u001B[2K${line}` : `${line}\n`)
  }
}

function describe(progress: BpeProgress): string {
  const count = (number: number) => number.toLocaleString('en')
  if (progress.stage === 'merging') return `${count(progress.tokens)} of ${count(progress.vocabulary)} tokens`
  const { characters, words } = progress
  const read = characters < 1e6 ? count(characters) : `${(characters / 1e6).toFixed(1)} million`
  return `${count(words)} different words in ${read} characters`
}
