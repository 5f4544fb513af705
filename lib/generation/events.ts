import type { EncodedImage, Image } from '../image/image.js'

/** What a generation has read and generated. */
export interface Usage {
  /** Text tokens of the prompt, without those that frame the document and its images. */
  promptTokens: number
  /** Those of them that are the tokenizer's unknown token: words that it does not know are all the same to the model. */
  unknownTokens: number
  /** Images of the prompt. */
  promptImages: number
  /** Text tokens generated; the end of the document, a stop token, BOI and EOI are not counted. */
  textTokens: number
  /** Images generated. */
  images: number
  /** Denoising steps of all images: calls of the network, in which guidance takes part. */
  denoisingSteps: number
  /** Codes of all images, where these are tokens. */
  imageTokens: number
}

/** What a generation spent its time on, in milliseconds by the clock; time in which it waited for others is included. */
export interface Timings {
  /** Waiting in the queue. */
  queued: number
  /** Reading the prompt, until the first token is sampled or the first image begins. */
  prompt: number
  /** Sampling text, and committing finished images to the sequence. */
  text: number
  /** Denoising images, or sampling their codes. */
  images: number
  /** The sum of these. */
  total: number
}

/**
 * Why a generation ended.
 *
 * - `end`: the model ended the document.
 * - `stop`: a stop string or a stop token came; the event says which.
 * - `maxTokens`: `maxTokens` tokens were written and the model would go on writing, or nothing but text could follow.
 * - `maxImages`: `maxImages` images are finished, and no text may follow.
 */
export type EndReason = 'end' | 'stop' | 'maxTokens' | 'maxImages'

/** What a generation yields, in order; `done` comes last. `index` counts images from 0; sizes are in pixels. */
export type GenerationEvent =
  | { type: 'text'; text: string }
  /** `steps`: of denoising, or the number of the image's codes. */
  | { type: 'image-start'; index: number; width: number; height: number; steps: number }
  /** The estimate of the clean image after `step` of `steps` denoising steps, or codes. */
  | { type: 'preview'; index: number; image: Image; step: number; steps: number }
  | { type: 'image'; index: number; image: Image }
  /** In place of `image` where the model reads latents and has no codec: the values, for a decoder of the user's own. */
  | { type: 'latent'; index: number; latent: EncodedImage }
  /** `stop`: the string or the token's id that ended it, where the reason is `stop`. */
  | { type: 'done'; reason: EndReason; stop?: string | number; usage: Usage; timings: Timings }
