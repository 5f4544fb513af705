/** How rotary frequencies are changed for contexts longer than those trained on; contexts in positions. */
export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | { readonly type: 'divided'; readonly by: number[] }
  | { readonly type: 'dynamic'; readonly factor: number; readonly originalContext: number }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      readonly originalContext: number
    }
  | {
      readonly type: 'yarn'
      readonly factor: number
      readonly originalContext: number
      readonly betaFast: number
      readonly betaSlow: number
      readonly truncate: boolean
      readonly attentionFactor?: number | undefined
    }

/** What queries and keys are turned by. */
export interface RopeFrequencies {
  /** `[D / 2]`: radians per position of each pair. */
  readonly frequencies: Float32Array
  /** The factor of cosines and sines, so that scores are scaled by its square; 1 but for yarn. */
  readonly attentionFactor: number
}

/**
 * RoPE's frequencies theta^(-2i/D), i = 0 .. D/2 - 1, scaled:
 *
 * - linear: all divided by the factor (Chen et al. 2023).
 * - divided: each by a number of its own, of which there are D/2 (llama.cpp's `rope_freqs`).
 * - dynamic: as they are up to the original context. What transformers does beyond it depends on a text's length: not done.
 * - llama3: divided where a wave is longer than originalContext / lowFrequencyFactor, kept where it is shorter than
 *   originalContext / highFrequencyFactor, between the two interpolated (Llama 3.1's own code).
 * - yarn: kept where a pair turns at least betaFast times within the original context, divided where at most betaSlow
 *   times, between the two interpolated along i (Peng et al. 2023, section 3.2; `truncate` rounds the bounds to whole i).
 */
export function ropeFrequencies(headSize: number, theta: number, scaling?: RopeScaling): RopeFrequencies {
  const pairs = headSize / 2
  const scaled = scalingOf(headSize, theta, scaling)
  return {
    frequencies: Float32Array.from({ length: pairs }, (_, i) => scaled(theta ** (-i / pairs), i)),
    attentionFactor: scaling?.type === 'yarn' ? (scaling.attentionFactor ?? yarnScale(scaling.factor)) : 1,
  }
}

/** Yarn's factor of cosines and sines for positions stretched by `factor`: 0.1 ln(factor) + 1, the recommended one. */
export const yarnScale = (factor: number, multiplier = 1): number =>
  factor <= 1 ? 1 : 0.1 * multiplier * Math.log(factor) + 1

function scalingOf(
  headSize: number,
  theta: number,
  scaling: RopeScaling | undefined,
): (frequency: number, pair: number) => number {
  switch (scaling?.type) {
    case undefined:
    case 'dynamic':
      return (frequency) => frequency
    case 'divided':
      return (frequency, pair) => frequency / scaling.by[pair]!
    case 'linear':
      return (frequency) => frequency / scaling.factor
    case 'llama3': {
      const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling
      return (frequency) => {
        // How often a pair turns within the original context, brought from low .. high to 0 .. 1.
        const kept = clamp(((originalContext * frequency) / (2 * Math.PI) - low) / (high - low))
        return (kept + (1 - kept) / factor) * frequency
      }
    }
    case 'yarn': {
      const { factor, betaFast, betaSlow, truncate, originalContext } = scaling
      const pairThatTurns = (times: number) =>
        (headSize * Math.log(originalContext / (times * 2 * Math.PI))) / (2 * Math.log(theta))
      const first = Math.max(truncate ? Math.floor(pairThatTurns(betaFast)) : pairThatTurns(betaFast), 0)
      const last = Math.min(
        truncate ? Math.ceil(pairThatTurns(betaSlow)) : pairThatTurns(betaSlow),
        headSize - 1,
      )
      // As in the reference code: no division by 0 where the bounds are one.
      const width = last === first ? 0.001 : last - first
      return (frequency, pair) => {
        const divided = clamp((pair - first) / width)
        return (1 - divided + divided / factor) * frequency
      }
    }
  }
}

const clamp = (value: number): number => Math.min(Math.max(value, 0), 1)
