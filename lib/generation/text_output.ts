import { TextStream } from '../tokenizer/text_stream.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'

/** Text that is sure, and the stop string that ended it. */
export interface OutputText {
  text: string
  stop?: string
}

/** Turns the ids of a generation into its text. */
export interface TextOutput {
  push(id: number): OutputText
  /** What is still held back: nothing joins it any more. */
  flush(): OutputText
}

/**
 * Text as it comes, up to the first of the stop strings, wherever token borders lie: what could still become one is
 * held back. The string that ends first counts; of two that end together the longer one.
 */
export class StreamedText implements TextOutput {
  readonly #stream: TextStream
  readonly #stops: readonly string[]
  #held = ''

  constructor(tokenizer: Tokenizer, stops: readonly string[] = []) {
    this.#stream = new TextStream(tokenizer)
    this.#stops = stops
  }

  push(id: number): OutputText {
    return this.#take(this.#stream.push(id), (text) => longestBeginning(text, this.#stops))
  }

  flush(): OutputText {
    return this.#take(this.#stream.flush(), () => 0)
  }

  /** `holding`: how many of the last characters to hold back. */
  #take(piece: string, holding: (text: string) => number): OutputText {
    const text = this.#held + piece
    const found = firstStop(text, this.#stops)
    if (found) {
      this.#held = ''
      return { text: text.slice(0, found.start), stop: found.stop }
    }
    const given = text.length - holding(text)
    this.#held = text.slice(given)
    return { text: text.slice(0, given) }
  }
}

/** Text that is decoded at once, at the end. */
export class WholeText implements TextOutput {
  readonly #tokenizer: Tokenizer
  #ids: number[] = []

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer
  }

  push(id: number): OutputText {
    this.#ids.push(id)
    return { text: '' }
  }

  flush(): OutputText {
    const text = this.#tokenizer.decode(this.#ids, { skipSpecial: true })
    this.#ids = []
    return { text }
  }
}

function firstStop(
  text: string,
  stops: readonly string[],
): { stop: string; start: number; end: number } | undefined {
  let first: { stop: string; start: number; end: number } | undefined
  for (const stop of stops) {
    const start = text.indexOf(stop)
    if (start < 0) continue
    const end = start + stop.length
    if (!first || end < first.end || (end === first.end && start < first.start)) first = { stop, start, end }
  }
  return first
}

/** The length of the longest end of `text` with which a stop string begins. */
function longestBeginning(text: string, stops: readonly string[]): number {
  const most = Math.min(text.length, Math.max(0, ...stops.map((stop) => stop.length - 1)))
  for (let length = most; length > 0; length--) {
    const end = text.slice(text.length - length)
    if (stops.some((stop) => stop.startsWith(end))) return length
  }
  return 0
}
