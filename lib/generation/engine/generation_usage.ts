import type { CodeTokens } from '../../sequence/code_tokens.js'
import type { SpecialTokens } from '../../sequence/document.js'
import type { Timings, Usage } from '../events.js'
import type { GenerationRequest } from './generation_request.js'

/** The usage of a generation before its first step: what its prompt holds, without the tokens that frame it. */
export function usageOfPrompt(
  { prompt, tokenizer }: Pick<GenerationRequest, 'prompt' | 'tokenizer'>,
  { bos, boi, eoi }: SpecialTokens,
  codes?: CodeTokens,
): Usage {
  const usage = {
    promptTokens: 0,
    unknownTokens: 0,
    promptImages: 0,
    textTokens: 0,
    images: 0,
    denoisingSteps: 0,
    imageTokens: 0,
  }
  for (const [i, part] of prompt.entries())
    if (part.type === 'image') usage.promptImages++
    else
      for (const id of part.ids) {
        if (id === boi && codes) usage.promptImages++
        if (id !== boi && id !== eoi && !(i === 0 && id === bos) && !codes?.has(id)) usage.promptTokens++
        if (tokenizer && id === tokenizer.unknown) usage.unknownTokens++
      }
  return usage
}

/** What a generation spends its time on. */
export type Phase = Exclude<keyof Timings, 'total'>

/** Measures how long a generation is in each of its phases. */
export class PhaseTimer {
  readonly #timings = { queued: 0, prompt: 0, text: 0, images: 0 }
  #phase: Phase = 'queued'
  #since = performance.now()

  get phase(): Phase {
    return this.#phase
  }

  /** Ends the current phase and begins another. */
  enter(phase: Phase): void {
    const now = performance.now()
    this.#timings[this.#phase] += now - this.#since
    this.#since = now
    this.#phase = phase
  }

  /** The times until now. */
  read(): Timings {
    this.enter(this.#phase)
    const { queued, prompt, text, images } = this.#timings
    return { queued, prompt, text, images, total: queued + prompt + text + images }
  }
}
