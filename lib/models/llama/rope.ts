/** RoPE as a `config.json` of Hugging Face's describes it, to and from our own settings. */
import { z } from 'zod'
import { type RopeScaling, yarnScale } from '../../nn/rope_frequencies.js'

const types = ['default', 'linear', 'dynamic', 'llama3', 'yarn'] as const
const positive = z.number().positive().nullish()
const context = z.int().positive().nullish()

/** Refuses heads that are rotated in part. */
export const wholeRotation = z
  .literal([1, null], { error: 'expected 1: heads that are rotated in part are not supported' })
  .optional()

/** `rope_parameters`, in older files `rope_scaling`, and in the oldest `type` in place of `rope_type`. */
export const ropeSchema = z
  .looseObject({
    rope_type: z.string().nullish(),
    type: z.string().nullish(),
    rope_theta: positive,
    factor: z.number().min(1).nullish(),
    original_max_position_embeddings: context,
    low_freq_factor: positive,
    high_freq_factor: positive,
    beta_fast: positive,
    beta_slow: positive,
    truncate: z.boolean().nullish(),
    attention_factor: positive,
    mscale: z.number().nullish(),
    mscale_all_dim: z.number().nullish(),
    partial_rotary_factor: wholeRotation,
  })
  .superRefine((parameters, context) => {
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message })
    const { rope_type, factor, low_freq_factor, high_freq_factor } = parameters
    const kind = kindOf(parameters)
    if (!(types as readonly string[]).includes(kind))
      refuse(
        rope_type == null ? 'type' : 'rope_type',
        `expected ${types.map((type) => `"${type}"`).join(', ')}: other scaled positions are not supported`,
      )
    if ((kind === 'linear' || kind === 'dynamic' || kind === 'llama3') && factor == null)
      refuse('factor', `expected a number, by which "${kind}" scales positions`)
    if (kind === 'llama3' && (high_freq_factor ?? 0) <= (low_freq_factor ?? Infinity))
      refuse('high_freq_factor', 'expected more than low_freq_factor, of which "llama3" has both')
    for (const [key, value] of Object.entries(parameters))
      if (typeof value === 'object' && value !== null && !Array.isArray(value))
        refuse(key, 'expected no object: parameters of their own for some layers are not supported')
  })

type Parameters = z.output<typeof ropeSchema>

const kindOf = ({ rope_type, type }: Pick<Parameters, 'rope_type' | 'type'>): string =>
  rope_type ?? type ?? 'default'

/** What of a config concerns RoPE. */
export interface RopeConfig {
  readonly rope_theta?: number | null | undefined
  readonly rope_scaling?: Parameters | null | undefined
  readonly rope_parameters?: Parameters | null | undefined
  readonly original_max_position_embeddings?: number | null | undefined
}

/** Base and scaling, as transformers takes them from a config: of two sets of parameters the older key's counts. */
export function ropeOf(
  config: RopeConfig,
  defaultTheta: number,
  contextLength: number,
): { ropeTheta: number; ropeScaling?: RopeScaling } {
  const counts = (set: object | null | undefined) => set && Object.keys(set).length > 0
  const parameters = (counts(config.rope_scaling) ? config.rope_scaling : config.rope_parameters) ?? {}
  const ropeTheta = parameters.rope_theta ?? config.rope_theta ?? defaultTheta
  const originalContext =
    config.original_max_position_embeddings ?? parameters.original_max_position_embeddings ?? contextLength
  const ropeScaling = scalingOf(parameters, originalContext, contextLength)
  return { ropeTheta, ...(ropeScaling && { ropeScaling }) }
}

function scalingOf(
  parameters: Partial<Parameters>,
  originalContext: number,
  contextLength: number,
): RopeScaling | undefined {
  const { low_freq_factor, high_freq_factor, beta_fast, beta_slow, truncate } = parameters
  switch (kindOf(parameters)) {
    case 'linear':
      // Positions divided by 1 are as they were.
      return parameters.factor === 1 ? undefined : { type: 'linear', factor: parameters.factor! }
    case 'dynamic':
      return { type: 'dynamic', factor: parameters.factor!, originalContext: contextLength }
    case 'llama3':
      return {
        type: 'llama3',
        factor: parameters.factor!,
        lowFrequencyFactor: low_freq_factor!,
        highFrequencyFactor: high_freq_factor!,
        originalContext,
      }
    case 'yarn': {
      const factor = parameters.factor ?? contextLength / originalContext
      const attentionFactor = yarnFactorOf(parameters, factor)
      return {
        type: 'yarn',
        factor,
        originalContext,
        betaFast: beta_fast ?? 32,
        betaSlow: beta_slow ?? 1,
        truncate: truncate ?? true,
        ...(attentionFactor !== undefined && { attentionFactor }),
      }
    }
  }
  return undefined
}

/** DeepSeek's files give two multipliers in place of the factor. */
function yarnFactorOf(
  { attention_factor, mscale, mscale_all_dim }: Partial<Parameters>,
  factor: number,
): number | undefined {
  if (attention_factor != null) return attention_factor
  return mscale && mscale_all_dim ? yarnScale(factor, mscale) / yarnScale(factor, mscale_all_dim) : undefined
}

/** The parameters of a config as both versions 4 (`rope_scaling`) and 5 (`rope_parameters`) of transformers read them. */
export function ropeJson(theta: number, scaling: RopeScaling | undefined): object {
  const parameters = scaling && scalingJson(scaling)
  return {
    rope_theta: theta,
    ...(parameters && { rope_scaling: parameters }),
    rope_parameters: { rope_type: 'default', ...parameters, rope_theta: theta },
  }
}

function scalingJson(scaling: RopeScaling): object {
  if (scaling.type === 'divided')
    throw new Error(
      'no type of model of Hugging Face\'s transformers that is written has ropeScaling "divided" (model config)',
    )
  const { type: rope_type, factor } = scaling
  switch (scaling.type) {
    case 'linear':
    case 'dynamic':
      return { rope_type, factor }
    case 'llama3':
      return {
        rope_type,
        factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalContext,
      }
    case 'yarn':
      return {
        rope_type,
        factor,
        original_max_position_embeddings: scaling.originalContext,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        truncate: scaling.truncate,
        ...(scaling.attentionFactor !== undefined && { attention_factor: scaling.attentionFactor }),
      }
  }
}

/** The context for which a scaling is made; undefined where it names none. */
export const contextOf = (scaling: RopeScaling | undefined): number | undefined => {
  if (!scaling || scaling.type === 'linear' || scaling.type === 'divided') return undefined
  const { type, factor, originalContext } = scaling
  return type === 'dynamic' ? originalContext : Math.round(factor * originalContext)
}
