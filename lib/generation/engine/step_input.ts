import type { EncodedImage, Image } from '../../image/image.js'
import type { EncodedPart } from '../../sequence/image_parts.js'
import type { ImagePart, Part } from '../../sequence/document.js'
import type { Cursor } from '../../sequence/metadata.js'

/** A part of a sequence: an image of a prompt brings its values, a generated one has its state on the device. */
export type AppendedPart = Part<ImagePart | EncodedPart>

/** Parts that are appended to a generation's sequence: its prompt, a sampled token, or a finished image. */
export interface AppendInput {
  readonly type: 'append'
  readonly parts: readonly AppendedPart[]
  /** What of the prompt is left for later steps. */
  readonly rest: readonly Part<EncodedPart>[]
  /**
   * Whether the parts begin with the generated image, in its final state: the clean pass (t = 0) that writes the keys and
   * values which everything after the image sees.
   */
  readonly commitsImage: boolean
  /** What the sequence needs next: a token sampled from this step's logits, an image, or more of the prompt. */
  readonly next: 'token' | 'image' | 'prompt'
  /**
   * Async scheduling: the only token is a placeholder for the one that the step before samples, which is known on the
   * device alone. Where it turns out not to be text, the sequence goes back to this cursor.
   */
  readonly placeholderAt?: Cursor
}

/** One denoising step of the generation's image. */
export interface DenoiseInput {
  readonly type: 'denoise'
  /** From 0. */
  readonly step: number
  readonly isLast: boolean
  /** Whether the estimate of the clean image is read after the step. */
  readonly preview: boolean
}

/** A code of the generation's image, where images are tokens. */
export interface CodeInput {
  readonly type: 'code'
  /** Of the code that this step samples, from 0. */
  readonly index: number
  readonly isLast: boolean
  /** What precedes it: BOI, or the code before it. */
  readonly id: number
  /** Async scheduling: `id` stands for the code that the step before samples, which is known on the device alone. */
  readonly isPlaceholder: boolean
}

/** What a generation adds to one call of the network. */
export type StepInput = AppendInput | DenoiseInput | CodeInput

/** What a step gives to one of its generations. */
export interface StepOutput {
  /** The sampled token or code, after an input that is followed by one. */
  token?: number
  /** The finished image, or a preview, once it is decoded; rejects where the request's codec cannot decode it. */
  image?: Promise<Image>
  /** The values of the finished image, where the request has no codec. */
  latent?: EncodedImage
}
