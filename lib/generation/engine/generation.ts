import type { EncodedPart } from '../../sequence/image_parts.js'
import type { ImagePart, Part, SpecialTokens } from '../../sequence/document.js'
import type { CodeTokens } from '../../sequence/code_tokens.js'
import { advance, sequenceStart } from '../../sequence/metadata.js'
import type { EndReason } from '../events.js'
import type { GenerationListener, GenerationRequest } from './generation_request.js'
import { GenerationOutput } from './generation_output.js'
import { usageOfPrompt } from './generation_usage.js'
import { firstParts } from '../prompt.js'
import { CodeImage } from './code_image.js'
import { decodeImage } from './decode_images.js'
import type { CachedSequence } from './sequence_cache.js'
import type { AppendInput, CodeInput, DenoiseInput, StepInput, StepOutput } from './step_input.js'
import type { OutputText } from '../text_output.js'

/** Images of a generation that are decoded at once before it waits for them: what bounds their memory. */
const mostDecoding = 2

/** How the documents of a model are built. */
export interface DocumentFormat {
  readonly tokens: SpecialTokens
  /** An image that the model generates. */
  readonly image: ImagePart
  /** Side of a patch in pixels. */
  readonly patch: number
  /** The tokens of codes, where images are these; undefined where images are denoised. */
  readonly codes: CodeTokens | undefined
}

/**
 * One generation: in LM mode a token at a time until BOI; then in diffusion mode, which denoises an image; then the image
 * is committed with EOI, and LM mode goes on (paper, section 3). Where images are tokens (Chameleon) LM mode goes on at BOI too,
 * among the codes alone, see `CodeImage`.
 *
 * The engine asks for the input of the next step (`nextInput`), reports that it is enqueued (`onEnqueued`), and later
 * hands over what came of it (`receive`), which becomes events. Steps are enqueued before the output of the one before is
 * read (async scheduling), so the state is in two halves: what is enqueued, and what is received.
 *
 * A worked example of async scheduling. The prompt is "a b"; the model continues it with "c" and then with BOI, an image:
 *
 *     step  input, as enqueued             cursor  its output is read                  and then
 *     1     BOS a b                        3       "c", once step 2 is enqueued        step 3 is enqueued
 *     2     placeholder (c on the device)  4       BOI, once step 3 is enqueued        step 3 is discarded
 *     3     placeholder (BOI)              5       a token that has no meaning         ignored
 *     4     BOI, patches (denoising 0)     5       nothing
 *     5     patches (denoising 1)          5       nothing, or a preview
 *
 * A placeholder is a token that is not read yet: on the device, the ids of the step's call are filled in from the tokens
 * that the step before has sampled (see token_sampler.ts). The device thus never waits for JavaScript. The guess is that
 * the token is text. When BOI is read after step 2, that was wrong: step 3 used BOI as a text token, so the cursor goes
 * back from 5 to 4, where step 3's placeholder stood, and the position of the next sampled token back by one, so that the
 * result is the same as without async scheduling. Step 4 writes BOI's keys and values into slot 4 again. The output of
 * step 3 is ignored when it arrives. The end of the document, a stop string and `maxTokens` end the generation instead, and
 * the output of the step that is still running is ignored likewise. Denoising steps need no placeholder: the next step's
 * input is the state on the device.
 */
export class Generation {
  conditional: CachedSequence | undefined
  unconditional: CachedSequence | undefined
  /** Whether the sampler's state of its image is needed: it is being denoised, or finished and not committed. */
  hasImageState = false
  /** Set when it must end at once: nothing is received any more. */
  failure: { error: unknown } | undefined
  done = false
  /** Tokens sampled so far, those of enqueued steps included: the position of the next one's random numbers. */
  position = 0

  /** What the next step does; `await`: nothing before the sampled token is read, but for async scheduling. */
  #next: 'prompt' | 'token' | 'image' | 'commit' | 'await' | 'nothing'
  #unread: readonly Part<EncodedPart>[]
  /** The last token that was read. */
  #token = 0
  /** The input with a placeholder whose token is not read yet. */
  #placeholder: AppendInput | undefined
  /** An input with a placeholder that did not stand for text: its output is ignored. */
  #discarded: StepInput | undefined
  #step = 0
  /** The image that is being generated as tokens, until EOI follows it. */
  #codeImage: CodeImage | undefined
  /** Images whose last step is enqueued. */
  #imagesEnqueued = 0
  readonly #output: GenerationOutput

  constructor(
    readonly request: GenerationRequest,
    readonly format: DocumentFormat,
    readonly listener: GenerationListener,
  ) {
    this.#unread = request.prompt
    this.#next = request.prompt.length > 0 ? 'prompt' : 'image'
    this.#output = new GenerationOutput(usageOfPrompt(request, format.tokens, format.codes), (event) => {
      if (!this.failure) listener.onEvent(event)
    })
  }

  /** Resolves once the images that are being decoded are, and their events are given; undefined where there is none. */
  get decoding(): Promise<void> | undefined {
    const { delivered } = this.#output
    return delivered?.catch((error: unknown) => void (this.failure ??= { error }))
  }

  /** Whether it takes part in steps: not while its listener, or what decodes its images, is behind. */
  get isReady(): boolean {
    return !this.failure && !this.listener.isFull && this.#output.pending < mostDecoding
  }

  // ---- what is enqueued ----

  /** The parts of its prompt that no step has read yet. */
  get unread(): readonly Part<EncodedPart>[] {
    return this.#unread
  }

  /** Whether the next step reads its prompt, or a part of it. */
  get readsPrompt(): boolean {
    return this.#next === 'prompt'
  }

  /** Whether another image may follow. */
  get mayGenerateImage(): boolean {
    return this.#imagesEnqueued < this.request.settings.maxImages
  }

  /** The seed of the image that is being generated, or is next. */
  get imageSeed(): number {
    return this.request.imageSeed(this.#imagesEnqueued)
  }

  /** Steps that an image takes. */
  get imageSteps(): number {
    const { codes, image } = this.format
    return codes ? image.height * image.width : this.request.imageSampling.steps.length
  }

  /** The most positions that its sequence can come to, the prompt included. */
  get mostPositions(): number {
    const { prompt, settings } = this.request
    const { image, patch } = this.format
    const perImage = advance(sequenceStart, [image], patch).length + 2
    return advance(sequenceStart, prompt, patch).length + settings.maxTokens + settings.maxImages * perImage
  }

  /** Whether it awaits a token that text may follow, so that async scheduling may append a placeholder for it. */
  get allowsPlaceholder(): boolean {
    const { maxTokens } = this.request.settings
    return this.#next === 'await' && (this.mayGenerateImage || this.#output.usage.textTokens + 1 < maxTokens)
  }

  /**
   * The input of its next step; undefined while it can only wait for what is enqueued. `prefillBudget`: positions of its
   * prompt to read. `async`: whether a token that is not read yet may be appended as a placeholder.
   */
  nextInput(prefillBudget: number, async: boolean): StepInput | undefined {
    const { tokens, image, patch } = this.format
    const text = (id: number): Part => ({ type: 'text', ids: [id] })
    const append = { type: 'append', rest: [], commitsImage: false, next: 'token' } as const
    switch (this.#next) {
      case 'prompt': {
        const [parts, rest] = firstParts(this.#unread, prefillBudget, patch)
        const afterPrompt = this.request.settings.startWith === 'image' ? 'image' : 'token'
        return { ...append, parts, rest, next: rest.length > 0 ? 'prompt' : afterPrompt }
      }
      case 'token':
        return { ...append, parts: [text(this.#token)] }
      case 'commit': {
        if (!this.#codeImage) return { ...append, parts: [image, text(tokens.eoi)], commitsImage: true }
        const { isComplete, lastId } = this.#codeImage
        return isComplete ? { ...append, parts: [text(lastId), text(tokens.eoi)] } : undefined
      }
      case 'image':
        return this.format.codes ? this.#codeInput(this.format.codes) : this.#denoiseInput()
      case 'await':
        if (!async || !this.allowsPlaceholder) return undefined
        return { ...append, parts: [text(0)], placeholderAt: this.conditional!.cursor }
      case 'nothing':
        return undefined
    }
  }

  #codeInput(codes: CodeTokens): CodeInput {
    const { tokens, image } = this.format
    this.#codeImage ??= new CodeImage(codes, image, tokens.boi)
    return this.#codeImage.nextInput()
  }

  #denoiseInput(): DenoiseInput {
    const { imageSampling, settings } = this.request
    const done = this.#step + 1
    const isLast = done === imageSampling.steps.length
    const preview = settings.previewEvery > 0 && !isLast && done % settings.previewEvery === 0
    return { type: 'denoise', step: this.#step, isLast, preview }
  }

  /** The step with this input is enqueued. */
  onEnqueued(input: StepInput): void {
    if (input.type === 'append') {
      this.#unread = input.rest
      if (input.commitsImage) this.hasImageState = false
      if (input.next === 'token') this.position++
      if (input.placeholderAt) this.#placeholder = input
      if (this.#next === 'commit') this.#codeImage = undefined
      this.#next = ({ token: 'await', image: 'image', prompt: 'prompt' } as const)[input.next]
      return
    }
    if (input.type === 'code') this.#codeImage!.onEnqueued()
    else {
      this.hasImageState = true
      this.#step = input.isLast ? 0 : input.step + 1
    }
    if (!input.isLast) return
    this.#imagesEnqueued++
    // The last image is not committed where no text may follow it.
    const ends = !this.mayGenerateImage && this.#output.usage.textTokens >= this.request.settings.maxTokens
    this.#next = ends ? 'nothing' : 'commit'
    if (ends) this.hasImageState = false
  }

  // ---- what is received ----

  /** It leaves the queue. */
  onStarted(): void {
    this.#output.enter('prompt')
  }

  /** Takes what a step gave, in the order in which the steps were enqueued. */
  receive(input: StepInput, { token, image, latent }: StepOutput): void {
    if (input === this.#discarded) {
      this.#discarded = undefined
      return
    }
    if (input.type === 'append') {
      if (input === this.#placeholder) this.#placeholder = undefined
      if (token !== undefined) this.#receiveToken(token)
      else if (input.next === 'image') this.#startImage()
      return
    }
    if (!this.#output.isInImage) this.#startImage()
    if (input.type === 'code') return this.#receiveCode(input, token!)
    this.#output.usage.denoisingSteps++
    if (input.preview) this.#output.preview(image!, input.step + 1, this.imageSteps)
    if (input.isLast) this.#receiveImage({ image, latent })
  }

  #receiveCode({ index, isLast }: CodeInput, id: number): void {
    const { codec, settings } = this.request
    const codes = this.#codeImage!
    codes.receive(id)
    this.#output.usage.imageTokens++
    if (isLast)
      return this.#receiveImage(
        codec ? { image: decodeImage(codec, codes.encoded) } : { latent: codes.encoded },
      )
    const count = index + 1
    if (settings.previewEvery > 0 && count % settings.previewEvery === 0)
      this.#output.preview(decodeImage(codec!, codes.encoded), count, this.imageSteps)
  }

  #receiveImage(image: Pick<StepOutput, 'image' | 'latent'>): void {
    this.#output.image(image)
    if (this.#next === 'nothing') this.#end('maxImages')
  }

  #receiveToken(id: number): void {
    const { settings, text, endOfTurn } = this.request
    const { tokens } = this.format
    this.#output.enter('text')
    if (id === tokens.end || id === endOfTurn) return this.#endText('end')
    if (settings.stopTokens.includes(id)) return this.#endText('stop', id)
    if (id === tokens.boi) {
      if (!this.#emitText(text.flush())) return
      this.#discardPlaceholder()
      this.#next = 'image'
      return this.#startImage()
    }
    if (this.#output.usage.textTokens >= settings.maxTokens) return this.#endText('maxTokens')
    this.#output.usage.textTokens++
    if (!this.#emitText(text.push(id))) return
    // Where nothing may follow, another step would only find out what the model would have written.
    if (this.#output.usage.textTokens >= settings.maxTokens && !this.mayGenerateImage)
      return this.#endText('maxTokens')
    this.#token = id
    this.#next = this.#placeholder ? 'await' : 'token'
  }

  /** Goes back to before the enqueued step whose placeholder does not stand for text. */
  #discardPlaceholder(): void {
    const input = this.#placeholder
    if (!input) return
    this.conditional!.cursor = input.placeholderAt!
    this.position--
    this.#discarded = input
    this.#placeholder = undefined
  }

  #startImage(): void {
    const { height, width } = this.format.image
    const { downscale } = this.request.codec ?? { downscale: 1 }
    this.#output.startImage({ height: height * downscale, width: width * downscale }, this.imageSteps)
  }

  /** Ends with the text that was held back. */
  #endText(reason: EndReason, stop?: number): void {
    if (this.#emitText(this.request.text.flush())) this.#end(reason, stop)
  }

  /** Ends the generation and returns false where the text holds a stop string. */
  #emitText({ text, stop }: OutputText): boolean {
    this.#output.text(text)
    if (stop === undefined) return true
    this.#end('stop', stop)
    return false
  }

  #end(reason: EndReason, stop?: string | number): void {
    this.#next = 'nothing'
    this.done = true
    this.#output.end(reason, stop)
  }
}
