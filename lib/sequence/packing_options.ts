import type { SpecialTokens } from './document.js'
import type { PatchOptions } from './metadata.js'

/** What packing must know of the model. */
export interface PackingOptions extends PatchOptions {
  /** Ids of the tokens that frame documents and images. */
  readonly tokens: SpecialTokens
}

/** The keys of `PackingOptions`, for `checkOptions`. @internal */
export const packingKeys = { patch: true, causalImages: true, tokens: true } as const

/** How documents are laid out for a model of this config. */
export const packingOf = ({
  tokens,
  image: { patch, attention },
}: {
  readonly tokens: SpecialTokens
  readonly image: { readonly patch: number; readonly attention: 'bidirectional' | 'causal' }
}): PackingOptions => ({ patch, causalImages: attention === 'causal', tokens })
