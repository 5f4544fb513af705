import type { ImageCodec } from '../../image/codec.js'
import type { EncodedPart } from '../../sequence/image_parts.js'
import type { Part } from '../../sequence/document.js'
import type { Tokenizer } from '../../tokenizer/tokenizer.js'
import type { GenerationEvent } from '../events.js'
import type { ImageSampling } from '../image_sampling.js'
import type { GenerationSettings, ImageSamplingSettings } from '../options.js'
import type { TextOutput } from '../text_output.js'

/** A request to the engine: a prompt and how it is continued. */
export interface GenerationRequest {
  /** The prompt as it stands in a sequence, special tokens included. */
  readonly prompt: readonly Part<EncodedPart>[]
  /** A token that ends it, beside the one that ends a document. */
  readonly endOfTurn?: number | undefined
  /** The tokenizer of the ids: ids that it has no token for are never sampled. Without one, any id of the model may be. */
  readonly tokenizer?: Pick<Tokenizer, 'unknown' | 'idsWithoutToken'>
  readonly settings: Omit<GenerationSettings, keyof ImageSamplingSettings>
  /** Decodes generated images; undefined: their values are given as they are. */
  readonly codec: ImageCodec | undefined
  readonly imageSampling: ImageSampling
  /** The seed of the n-th generated image, from 0. */
  readonly imageSeed: (image: number) => number
  /** Receives the sampled ids. */
  readonly text: TextOutput
  /** Identifies who sent the request: clients are served fairly, however many requests each has. */
  readonly client: object
}

/** Receives the events of a generation. */
export interface GenerationListener {
  /** Backpressure: while it is true the generation is not scheduled. Call `Engine.wake` when it becomes false. */
  readonly isFull: boolean
  onEvent(event: GenerationEvent): void
  /** The generation has ended and its memory is freed; `failure`: what ended it before it was done. */
  onEnd(failure?: { error: unknown }): void
}
