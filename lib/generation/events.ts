import type { EncodedImage, Image } from '../image/image.js'

/** How much was read and made. */
export interface Usage {
  /** Text tokens of the prompt, without those that frame the document and its images. */
  promptTokens: number
  /** Those of them that stand for what the tokenizer has no token for: the model cannot tell it apart. */
  unknownTokens: number
  /** Images of the prompt. */
  promptImages: number
  /** Text tokens generated; the end of the document, a stop token and what frames images are not counted. */
  textTokens: number
  /** Images drawn. */
  images: number
  /** Calls of the network that images took, guidance not counted apart. */
  denoisingSteps: number
}

/** Where the time went, in milliseconds of the clock: what the generation waited for beside others is in it. */
export interface Timings {
  /** Until it was its turn. */
  queued: number
  /** Reading the prompt, until the first token was drawn or the first image begun. */
  prompt: number
  /** Writing, a finished image read again included. */
  text: number
  /** ImageSampling. */
  images: number
  /** All of these. */
  total: number
}

/**
 * Why a generation ended.
 *
 * - `end`: the model ended the document.
 * - `stop`: a stop string or a stop token came; the event says which.
 * - `maxTokens`: `maxTokens` tokens were written and the model would go on writing, or nothing but text could follow.
 * - `maxImages`: the last image that it may draw is drawn, and it may write no more.
 */
export type EndReason = 'end' | 'stop' | 'maxTokens' | 'maxImages'

/** What a generation gives, in order; `done` comes last. Images count from 0. */
export type GenerationEvent =
  | { type: 'text'; text: string }
  | { type: 'image-start'; index: number; width: number; height: number; steps: number }
  /** The estimate of the clean image after `step` of `steps` denoising steps. */
  | { type: 'preview'; index: number; image: Image; step: number; steps: number }
  | { type: 'image'; index: number; image: Image }
  /** In place of `image` where the model reads latents and has no codec: the values, for a decoder of the user's own. */
  | { type: 'latent'; index: number; latent: EncodedImage }
  /** `stop`: the string or the token's id that ended it, where the reason is `stop`. */
  | { type: 'done'; reason: EndReason; stop?: string | number; usage: Usage; timings: Timings }
