import type { Image, ImageSize } from '../../image/image.js'
import type { EndReason, GenerationEvent, Usage } from '../events.js'
import { type Phase, PhaseTimer } from './generation_usage.js'
import { OrderedEvents } from './ordered_events.js'
import type { StepOutput } from './step_input.js'

/**
 * What a generation gives its listener, in order, and what is counted and timed of it. Events after one of an image that is
 * still decoded wait for it; the generation goes on.
 */
export class GenerationOutput {
  /** What has been read and generated so far. */
  readonly usage: Usage
  readonly #timer = new PhaseTimer()
  readonly #events: OrderedEvents

  constructor(usage: Usage, onEvent: (event: GenerationEvent) => void) {
    this.usage = usage
    this.#events = new OrderedEvents(onEvent)
  }

  /** Resolves once the images that are being decoded are, and their events are given; rejects with a decoder's error. */
  get delivered(): Promise<void> | undefined {
    return this.#events.delivered
  }

  /** Events that wait for images, or are such. */
  get pending(): number {
    return this.#events.pending
  }

  /** Whether an image has begun, and not ended. */
  get isInImage(): boolean {
    return this.#timer.phase === 'images'
  }

  /** From now on time is spent on this. */
  enter(phase: Phase): void {
    this.#timer.enter(phase)
  }

  /** An image of so many pixels begins. */
  startImage({ height, width }: ImageSize, steps: number): void {
    this.enter('images')
    this.#events.add({ type: 'image-start', index: this.usage.images, width, height, steps })
  }

  /** What an image looks like after so many of its steps. */
  preview(image: Promise<Image>, step: number, steps: number): void {
    const { images: index } = this.usage
    this.#events.add(image.then((image) => ({ type: 'preview', index, image, step, steps }) as const))
  }

  /** An image has ended: its pixels, or its values. */
  image({ image, latent }: Pick<StepOutput, 'image' | 'latent'>): void {
    const index = this.usage.images++
    this.enter('text')
    this.#events.add(
      latent
        ? { type: 'latent', index, latent }
        : image!.then((image) => ({ type: 'image', index, image }) as const),
    )
  }

  text(text: string): void {
    if (text !== '') this.#events.add({ type: 'text', text })
  }

  end(reason: EndReason, stop: string | number | undefined): void {
    const { usage } = this
    const timings = this.#timer.read()
    this.#events.add({ type: 'done', reason, ...(stop !== undefined && { stop }), usage, timings })
  }
}
