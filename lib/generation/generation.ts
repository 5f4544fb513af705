import type { Tokenizer } from '../tokenizer/tokenizer.js'
import type { EncodedPart } from '../sequence/image_parts.js'
import type { ImagePart, Part, SpecialTokens } from '../sequence/document.js'
import { advance, sequenceStart } from '../sequence/layout.js'
import type { ImageSampling } from './image_sampling.js'
import type { EndReason, GenerationEvent, Timings, Usage } from './events.js'
import type { GenerationSettings } from './options.js'
import { firstParts } from './prompt.js'
import type { CachedSequence } from './sequence_cache.js'
import type { OutputText, TextOutput } from './text_output.js'
import type { Turn, TurnResult } from './turn.js'

/** What the engine is asked for. */
export interface GenerationRequest {
  /** The prompt as it stands in a sequence, special tokens included. */
  readonly prompt: readonly Part<EncodedPart>[]
  /** Whose ids they are: none that it lacks is drawn. Without one, any id of the model's may be. */
  readonly tokenizer?: Pick<Tokenizer, 'unknown' | 'idsWithoutToken'>
  readonly settings: Omit<GenerationSettings, 'sampler' | 'steps' | 'guidance' | 'guidanceInterval' | 'clip'>
  readonly drawing: ImageSampling
  /** The seed of its n-th image. */
  readonly imageSeed: (image: number) => number
  readonly text: TextOutput
  /** Who asks: the generations of one caller share what others leave them. */
  readonly caller: object
}

/** Who receives what a generation gives. */
export interface Listener {
  /** Whether it has as much as it will hold: the generation then waits. */
  readonly full: boolean
  event(event: GenerationEvent): void
  /** The generation has ended, and holds nothing any more; `failure`: why, where it did so before its time. */
  end(failure?: { error: unknown }): void
}

/** What a model says of its documents. */
export interface Framing {
  readonly tokens: SpecialTokens
  /** An image that the model draws. */
  readonly drawn: ImagePart
  readonly patch: number
}

type Phase = Exclude<keyof Timings, 'total'>

/**
 * One generation: in LM mode a token at a time until BOI; then in diffusion mode, which draws an image from noise; then
 * EOI and LM mode again (paper, section 3). It says what it adds to the next call (`turn`, `taken`) and turns what came
 * of it into events (`deliver`); these follow later, so its state is in two halves.
 */
export class Generation {
  conditional: CachedSequence | undefined
  unconditional: CachedSequence | undefined
  /** Whether the canvas holds an image of it: under way, or not read again yet. */
  onCanvas = false
  /** Set when it is to end at once; nothing of it is delivered any more. */
  failure: { error: unknown } | undefined
  done = false
  /** Tokens drawn so far: the next one's position. */
  position = 0

  /** What it does in its next turn; `waiting`: for the token that is being drawn. */
  #next: 'prompt' | 'token' | 'draw' | 'drawn' | 'waiting' | 'nothing'
  #unread: readonly Part<EncodedPart>[]
  #token = 0
  /** Its turn ahead of the token that is being drawn. */
  #ahead: (Turn & { type: 'read' }) | undefined
  /** A turn that was ahead of what turned out not to be text: nothing came of it. */
  #void: Turn | undefined
  #step = 0
  #imagesDrawn = 0

  readonly #usage: Usage
  readonly #timings: Timings = { queued: 0, prompt: 0, text: 0, images: 0, total: 0 }
  #phase: Phase = 'queued'
  #since = performance.now()

  constructor(
    readonly request: GenerationRequest,
    readonly framing: Framing,
    readonly listener: Listener,
  ) {
    this.#unread = request.prompt
    this.#next = request.prompt.length > 0 ? 'prompt' : 'draw'
    this.#usage = {
      ...promptUsage(request, framing.tokens),
      textTokens: 0,
      images: 0,
      denoisingSteps: 0,
    }
  }

  // ---- what it adds ----

  /** The parts of its prompt that are not read yet. */
  get unread(): readonly Part<EncodedPart>[] {
    return this.#unread
  }

  /** Whether it is to read its prompt, or the rest of it. */
  get reads(): boolean {
    return this.#next === 'prompt'
  }

  /** Whether another image may follow. */
  get mayDraw(): boolean {
    return this.#imagesDrawn < this.request.settings.maxImages
  }

  /** The seed of the image that is under way, or begins. */
  get imageSeed(): number {
    return this.request.imageSeed(this.#imagesDrawn)
  }

  /** The most positions that it can come to, its prompt included. */
  get mostPositions(): number {
    const { prompt, settings } = this.request
    const { drawn, patch } = this.framing
    const image = advance(sequenceStart, [drawn], patch).length + 2
    return advance(sequenceStart, prompt, patch).length + settings.maxTokens + settings.maxImages * image
  }

  /**
   * Whether it awaits a token after which it may read on: it may do so ahead of the answer, as if it were text.
   */
  get mayGoAhead(): boolean {
    const { maxTokens } = this.request.settings
    return this.#next === 'waiting' && (this.mayDraw || this.#usage.textTokens + 1 < maxTokens)
  }

  /**
   * Its turn; undefined while it awaits its token or its end. `budget`: how many positions of its prompt to read.
   * `ahead`: whether it goes ahead of its token where it may.
   */
  turn(budget: number, ahead: boolean): Turn | undefined {
    const { tokens, drawn, patch } = this.framing
    const { drawing, settings } = this.request
    const text = (id: number): Part => ({ type: 'text', ids: [id] })
    switch (this.#next) {
      case 'prompt': {
        const [spans, rest] = firstParts(this.#unread, budget, patch)
        const following = settings.startWith === 'image' ? 'image' : 'token'
        return { type: 'read', spans, rest, drawn: false, following: rest.length > 0 ? 'prompt' : following }
      }
      case 'token':
        return { type: 'read', spans: [text(this.#token)], rest: [], drawn: false, following: 'token' }
      case 'drawn':
        return { type: 'read', spans: [drawn, text(tokens.eoi)], rest: [], drawn: true, following: 'token' }
      case 'draw': {
        const step = this.#step + 1
        const last = step === drawing.steps.length
        const preview = settings.previewEvery > 0 && !last && step % settings.previewEvery === 0
        return { type: 'denoise', step: this.#step, last, preview }
      }
      case 'waiting': {
        if (!ahead || !this.mayGoAhead) return undefined
        const { cursor } = this.conditional!
        return { type: 'read', spans: [text(0)], rest: [], drawn: false, following: 'token', ahead: cursor }
      }
      case 'nothing':
        return undefined
    }
  }

  /** The turn's call is enqueued. */
  taken(turn: Turn): void {
    if (turn.type === 'read') {
      this.#unread = turn.rest
      if (turn.drawn) this.onCanvas = false
      if (turn.following === 'token') this.position++
      if (turn.ahead) this.#ahead = turn
      this.#next = ({ token: 'waiting', image: 'draw', prompt: 'prompt' } as const)[turn.following]
      return
    }
    this.onCanvas = true
    this.#step = turn.last ? 0 : turn.step + 1
    if (!turn.last) return
    this.#imagesDrawn++
    // The last image, with no text to follow, is not read again.
    const ends = !this.mayDraw && this.#usage.textTokens >= this.request.settings.maxTokens
    this.#next = ends ? 'nothing' : 'drawn'
    if (ends) this.onCanvas = false
  }

  // ---- what came of it ----

  /** It is its turn, after whatever it waited for. */
  begin(): void {
    this.#enter('prompt')
  }

  /** In the order of the turns. */
  deliver(turn: Turn, { token, image }: TurnResult): void {
    if (turn === this.#void) {
      this.#void = undefined
      return
    }
    if (turn.type === 'read') {
      if (turn === this.#ahead) this.#ahead = undefined
      if (token !== undefined) this.#deliverToken(token)
      else if (turn.following === 'image') this.#startImage()
      return
    }
    if (this.#phase !== 'images') this.#startImage()
    this.#usage.denoisingSteps++
    const index = this.#usage.images
    const { length: steps } = this.request.drawing.steps
    if (turn.preview) this.#give({ type: 'preview', index, image: image!, step: turn.step + 1, steps })
    if (!turn.last) return
    this.#usage.images++
    this.#enter('text')
    this.#give({ type: 'image', index, image: image! })
    if (this.#next === 'nothing') this.#end('maxImages')
  }

  #deliverToken(id: number): void {
    const { settings, text } = this.request
    const { tokens } = this.framing
    this.#enter('text')
    if (id === tokens.end) return this.#close('end')
    if (settings.stopTokens.includes(id)) return this.#close('stop', id)
    if (id === tokens.boi) {
      if (!this.#giveText(text.flush())) return
      this.#goBack()
      this.#next = 'draw'
      return this.#startImage()
    }
    if (this.#usage.textTokens >= settings.maxTokens) return this.#close('maxTokens')
    this.#usage.textTokens++
    if (!this.#giveText(text.push(id))) return
    // Where nothing may follow, no call finds out what would.
    if (this.#usage.textTokens >= settings.maxTokens && !this.mayDraw) return this.#close('maxTokens')
    this.#token = id
    this.#next = this.#ahead ? 'waiting' : 'token'
  }

  /** Takes back the turn that was ahead of a token which is not text. */
  #goBack(): void {
    if (!this.#ahead) return
    this.conditional!.cursor = this.#ahead.ahead!
    this.position--
    this.#void = this.#ahead
    this.#ahead = undefined
  }

  #startImage(): void {
    const { height, width } = this.framing.drawn
    const { length: steps } = this.request.drawing.steps
    this.#enter('images')
    this.#give({ type: 'image-start', index: this.#usage.images, width, height, steps })
  }

  /** Ends with the text that was held back. */
  #close(reason: EndReason, stop?: number): void {
    if (this.#giveText(this.request.text.flush())) this.#end(reason, stop)
  }

  /** Ends where it holds a stop string, and returns false. */
  #giveText({ text, stop }: OutputText): boolean {
    if (text !== '') this.#give({ type: 'text', text })
    if (stop === undefined) return true
    this.#end('stop', stop)
    return false
  }

  #end(reason: EndReason, stop?: string | number): void {
    this.#enter(this.#phase)
    this.#next = 'nothing'
    this.done = true
    const timings = { ...this.#timings }
    timings.total = timings.queued + timings.prompt + timings.text + timings.images
    this.#give({ type: 'done', reason, ...(stop !== undefined && { stop }), usage: this.#usage, timings })
  }

  #give(event: GenerationEvent): void {
    this.listener.event(event)
  }

  /** The time until now was the phase's before. */
  #enter(phase: Phase): void {
    const now = performance.now()
    this.#timings[this.#phase] += now - this.#since
    this.#since = now
    this.#phase = phase
  }
}

/** A prompt's own tokens and images, without what frames them. */
function promptUsage(
  { prompt, tokenizer }: Pick<GenerationRequest, 'prompt' | 'tokenizer'>,
  { bos, boi, eoi }: SpecialTokens,
) {
  const usage = { promptTokens: 0, unknownTokens: 0, promptImages: 0 }
  for (const [i, part] of prompt.entries())
    if (part.type === 'image') usage.promptImages++
    else
      for (const id of part.ids) {
        if (id !== boi && id !== eoi && !(i === 0 && id === bos)) usage.promptTokens++
        if (tokenizer && id === tokenizer.unknown) usage.unknownTokens++
      }
  return usage
}
