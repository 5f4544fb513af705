import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { checkCheckpointFolder } from '../../files/safetensors/checkpoint_contents.js'
import { readJson } from '../../files/json_file.js'
import type { RopeScaling } from '../../nn/rope_frequencies.js'
import { ropeOf, ropeSchema, wholeRotation } from './rope.js'

/**
 * The families that are Llamas but for details, under their `model_type`, with what their configs mean where they leave a
 * key out. `headSize`: undefined is hidden_size / num_attention_heads.
 */
const families = {
  llama: { theta: 10_000, context: 2048, tied: false, kvHeads: undefined },
  mistral: { theta: 10_000, context: 131_072, tied: false, kvHeads: 8, window: 4096 },
  qwen2: { theta: 10_000, context: 32_768, tied: false, kvHeads: 32 },
  qwen3: { theta: 10_000, context: 32_768, tied: false, kvHeads: 32, headSize: 128 },
  smollm3: { theta: 2_000_000, context: 32_768, tied: true, kvHeads: 4 },
} as const satisfies Record<string, Family>

interface Family {
  readonly theta: number
  readonly context: number
  readonly tied: boolean
  readonly kvHeads: number | undefined
  readonly headSize?: number
  readonly window?: number
}

const count = z.int().positive()
/** Older files say -1 for none. */
const id = z.int().min(-1)
const none = (error: string) => z.null({ error }).optional()
const off = z.literal([false, null], {
  error: 'expected false: biases of the feed-forward are not supported',
})
const layerTypes = ['full_attention', 'sliding_attention'] as const

/** What we read of a Hugging Face language model's `config.json`. */
const llamaConfigSchema = z
  .object({
    model_type: z.enum(Object.keys(families) as [keyof typeof families]),
    vocab_size: count,
    num_hidden_layers: count,
    hidden_size: count,
    num_attention_heads: count,
    num_key_value_heads: count.nullish(),
    head_dim: z
      .int()
      .positive()
      .multipleOf(2, { error: 'expected an even number: rotary pairs need one' })
      .nullish(),
    intermediate_size: count,
    max_position_embeddings: count.nullish(),
    rms_norm_eps: z.number().positive().default(1e-6),
    rope_theta: z.number().positive().nullish(),
    rope_scaling: ropeSchema.nullish(),
    rope_parameters: ropeSchema.nullish(),
    original_max_position_embeddings: count.nullish(),
    tie_word_embeddings: z.boolean().nullish(),
    bos_token_id: id.nullish(),
    /** Of several the first ends a document. */
    eos_token_id: z.union([id, z.array(id)]).nullish(),
    attention_bias: z.boolean().nullish(),
    /** SmolLM3: 0 for each layer that does not rotate, else 1. */
    no_rope_layers: z.array(z.int()).nullish(),
    no_rope_layer_interval: count.nullish(),
    sliding_window: count.nullish(),
    use_sliding_window: z.boolean().nullish(),
    max_window_layers: z.int().min(0).nullish(),
    layer_types: z
      .array(z.enum(layerTypes, { error: `expected ${layerTypes.map((t) => `"${t}"`).join(' or ')}` }))
      .nullish(),
    // What would change the meaning of the weights.
    /** Two names of one function. */
    hidden_act: z.literal(['silu', 'swish'], { error: 'expected "silu"' }).default('silu'),
    mlp_bias: off.default(false),
    partial_rotary_factor: wholeRotation,
    quantization_config: none('expected none: quantized weights are not read'),
  })
  .superRefine((config, context) => {
    const problem = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    const window = windowOf(config)
    if (window !== undefined && window < contextOf(config))
      problem(
        'sliding_window',
        `expected none, or at least the context of ${contextOf(config)} positions (max_position_embeddings): ` +
          'attention to the nearest positions alone is not supported',
      )
    const layers = config.no_rope_layers?.length
    if (layers !== undefined && layers < config.num_hidden_layers)
      problem('no_rope_layers', `expected a number for each of the ${config.num_hidden_layers} layers`)
  })

type Config = z.output<typeof llamaConfigSchema>

/** A language model's sizes under our names. */
export interface LlamaConfig {
  readonly vocabulary: number
  readonly layers: number
  readonly channels: number
  readonly heads: number
  readonly kvHeads: number
  /** Where it is not channels / heads. */
  readonly headSize?: number
  readonly feedForward: number
  readonly attentionBias?: 'qkv' | 'all'
  readonly qkNorm?: true | 'layer'
  readonly normOrder?: 'post'
  readonly unrotatedLayers?: number[]
  readonly ropeTheta: number
  readonly ropeScaling?: RopeScaling
  readonly normEps: number
  /** Whether the output matrix is the embedding matrix; of the two, one may be stored alone. */
  readonly tied: boolean
  readonly bos?: number
  readonly eos?: number
}

const familyOf = ({ model_type }: Pick<Config, 'model_type'>): Family => families[model_type]

const contextOf = (config: Config): number => config.max_position_embeddings ?? familyOf(config).context

/** How many positions the layers that see the nearest alone see; undefined where all see all. */
function windowOf(config: Config): number | undefined {
  const { model_type, sliding_window, use_sliding_window, layer_types, num_hidden_layers } = config
  if (model_type === 'llama') return undefined
  if (model_type === 'mistral')
    return (sliding_window === undefined ? familyOf(config).window : sliding_window) ?? undefined
  const slides = layer_types
    ? layer_types.includes('sliding_attention')
    : model_type === 'smollm3'
      ? unrotatedOf(config).length > 0
      : (config.max_window_layers ?? 28) < num_hidden_layers
  return use_sliding_window && slides ? (sliding_window ?? undefined) : undefined
}

/** Layers of a SmolLM3 without rotation: those that are listed, or each fourth. */
function unrotatedOf(config: Config): number[] {
  const { model_type, num_hidden_layers, no_rope_layers, no_rope_layer_interval } = config
  if (model_type !== 'smollm3') return []
  const interval = no_rope_layer_interval ?? 4
  const rotated = (layer: number) =>
    no_rope_layers ? no_rope_layers[layer] !== 0 : (layer + 1) % interval !== 0
  return Array.from({ length: num_hidden_layers }, (_, layer) => layer).filter((layer) => !rotated(layer))
}

/** Qwen2 has biases of queries, keys and values always, Mistral none. */
function biasOf({ model_type, attention_bias }: Config): 'qkv' | 'all' | undefined {
  if (model_type === 'qwen2') return 'qkv'
  return attention_bias && model_type !== 'mistral' ? 'all' : undefined
}

/** Reads the `config.json` of a Hugging Face language model. Throws a ConfigError that names each thing that we do not support. */
export async function readLlamaConfig(folder: string): Promise<LlamaConfig> {
  await checkCheckpointFolder(folder)
  const path = join(folder, 'config.json')
  return parseLlamaConfig(await readJson(path), path)
}

/** As {@link readLlamaConfig}, of the contents of a `config.json`; `path` is for messages. */
export function parseLlamaConfig(json: unknown, path: string): LlamaConfig {
  const config = parseConfig(llamaConfigSchema, json, path)
  const family = familyOf(config)
  const heads = config.num_attention_heads
  const idOf = (given: number | number[] | null | undefined) =>
    [given].flat().find((id): id is number => id != null && id >= 0)
  const bos = idOf(config.bos_token_id)
  const eos = idOf(config.eos_token_id)
  const headSize = (config.head_dim === undefined ? family.headSize : config.head_dim) ?? undefined
  const attentionBias = biasOf(config)
  const unrotatedLayers = unrotatedOf(config)
  return {
    vocabulary: config.vocab_size,
    layers: config.num_hidden_layers,
    channels: config.hidden_size,
    heads,
    kvHeads:
      (config.num_key_value_heads === undefined ? family.kvHeads : config.num_key_value_heads) ?? heads,
    ...(headSize !== undefined && headSize !== config.hidden_size / heads && { headSize }),
    feedForward: config.intermediate_size,
    ...(attentionBias && { attentionBias }),
    ...(config.model_type === 'qwen3' && { qkNorm: true }),
    ...(unrotatedLayers.length > 0 && { unrotatedLayers }),
    ...ropeOf(config, family.theta, contextOf(config)),
    normEps: config.rms_norm_eps,
    tied: config.tie_word_embeddings ?? family.tied,
    ...(bos !== undefined && { bos }),
    ...(eos !== undefined && { eos }),
  }
}
