import { TextStream } from '../tokenizer/text_stream.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'

/** Text that no later token changes, and the stop string that ended it. */
export interface OutputText {
  text: string
  stop?: string
}

/** Decodes the ids of a generation into its text. */
export interface TextOutput {
  push(id: number): OutputText
  /** The text that is held back, when no id follows. */
  flush(): OutputText
}

/**
 * Decodes text as it is generated, up to the first of the stop strings, which need not begin or end where a token does:
 * text that could still become one is held back. The stop string that ends first counts; of two that end together the
 * longer one.
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

  /** `holding`: the number of characters at the end to hold back. */
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

/** Decodes the whole text at its end. */
export class BufferedText implements TextOutput {
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
