import type { Image } from '../image/image.js'
import type { EncodedPart } from '../sequence/image_parts.js'
import type { Part } from '../sequence/document.js'
import type { Cursor } from '../sequence/layout.js'

/** What a generation adds in one call of the network: text and images that are there, or an image under way. */
export type Turn =
  | {
      readonly type: 'read'
      readonly spans: readonly Part[]
      /** What it reads next, before anything else: the rest of its prompt. */
      readonly rest: readonly Part<EncodedPart>[]
      /** The spans begin with the image that was drawn, as it stands on the canvas. */
      readonly drawn: boolean
      /** What follows: a drawn token, an image, or more of the prompt. */
      readonly following: 'token' | 'image' | 'prompt'
      /**
       * Where its one token is the one that the round before draws, which only the device knows yet: where the sequence
       * goes back to if that is not text.
       */
      readonly ahead?: Cursor
    }
  | { readonly type: 'denoise'; readonly step: number; readonly last: boolean; readonly preview: boolean }

/** What came of a turn. */
export interface TurnResult {
  token?: number
  /** The finished image, or a preview. */
  image?: Image
}
