import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config.js'
import { readJson } from '../../data/json_file.js'

const count = z.int().positive()
const id = z.int().min(0)
const none = (error: string) => z.null({ error }).optional()
const off = z.literal(false, { error: 'expected false: biases in the blocks are not supported' })

/** Older files say `type` and leave theta beside it. Scaled positions would need frequencies of another kind. */
const rope = z.object({
  rope_type: z.literal('default', { error: 'expected "default": scaled positions are not supported' }),
  rope_theta: z.number().positive().optional(),
})
const renamed = (value: unknown) =>
  typeof value === 'object' && value !== null && 'type' in value ? { rope_type: value.type, ...value } : value

/** What we read of a Hugging Face Llama's `config.json`, with the defaults of its `LlamaConfig`. */
const llamaConfigSchema = z
  .object({
    model_type: z.literal('llama'),
    vocab_size: count,
    num_hidden_layers: count,
    hidden_size: count,
    num_attention_heads: count,
    num_key_value_heads: count.nullish(),
    head_dim: count.nullish(),
    intermediate_size: count,
    rms_norm_eps: z.number().positive().default(1e-6),
    rope_theta: z.number().positive().default(10_000),
    rope_scaling: z.preprocess(renamed, rope.nullish()),
    rope_parameters: z.preprocess(renamed, rope.nullish()),
    tie_word_embeddings: z.boolean().default(false),
    bos_token_id: id.nullish(),
    /** Of several the first ends a document. */
    eos_token_id: z.union([id, z.array(id).min(1)]).nullish(),
    // What would change the meaning of the weights.
    hidden_act: z.literal('silu').default('silu'),
    attention_bias: off.default(false),
    mlp_bias: off.default(false),
    partial_rotary_factor: z.literal(1).default(1),
    quantization_config: none('expected none: quantized weights are not read'),
  })
  .superRefine((config, context) => {
    const { hidden_size, num_attention_heads, head_dim } = config
    const headSize = hidden_size / num_attention_heads
    if (head_dim && head_dim !== headSize)
      context.addIssue({
        code: 'custom',
        path: ['head_dim'],
        message: `expected hidden_size / num_attention_heads (${headSize}): other head sizes are not supported`,
      })
  })

/** A Llama's sizes under our names. */
export interface LlamaConfig {
  readonly vocabulary: number
  readonly layers: number
  readonly channels: number
  readonly heads: number
  readonly kvHeads: number
  readonly feedForward: number
  readonly ropeTheta: number
  readonly normEps: number
  /** Whether the output matrix is the embedding matrix, and not stored. */
  readonly tied: boolean
  readonly bos?: number
  readonly eos?: number
}

/** Reads the `config.json` of a Hugging Face Llama. Throws a ConfigError that names each thing that we do not support. */
export async function readLlamaConfig(folder: string): Promise<LlamaConfig> {
  const path = join(folder, 'config.json')
  const config = parseConfig(llamaConfigSchema, await readJson(path), path)
  const { bos_token_id: bos, eos_token_id } = config
  const eos = Array.isArray(eos_token_id) ? eos_token_id[0] : eos_token_id
  return {
    vocabulary: config.vocab_size,
    layers: config.num_hidden_layers,
    channels: config.hidden_size,
    heads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads ?? config.num_attention_heads,
    feedForward: config.intermediate_size,
    ropeTheta: config.rope_parameters?.rope_theta ?? config.rope_theta,
    normEps: config.rms_norm_eps,
    tied: config.tie_word_embeddings,
    ...(bos != null && { bos }),
    ...(eos != null && { eos }),
  }
}
