import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { checkCheckpointFolder } from '../../files/safetensors/checkpoint_contents.js'
import { readJson } from '../../files/json_file.js'

const count = z.int().positive()
/** Older files say -1 for none. */
const id = z.int().min(-1)
const none = (error: string) => z.null({ error }).optional()
const off = z.literal([false, null], { error: 'expected false: biases in the blocks are not supported' })
const whole = z
  .literal([1, null], { error: 'expected 1: heads that are rotated in part are not supported' })
  .optional()

/** `rope_parameters`, in older files `rope_scaling`, and in the oldest `type` in place of `rope_type`. */
const rope = z
  .looseObject({
    rope_type: z.string().nullish(),
    type: z.string().nullish(),
    rope_theta: z.number().positive().nullish(),
    factor: z.number().nullish(),
    partial_rotary_factor: whole,
  })
  .superRefine((parameters, context) => {
    const { rope_type, type, factor } = parameters
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message })
    const kind = rope_type ?? type ?? 'default'
    // Positions divided by 1 are as they were.
    if (kind !== 'default' && !(kind === 'linear' && factor === 1))
      refuse(
        rope_type == null ? 'type' : 'rope_type',
        'expected "default": scaled positions are not supported',
      )
    for (const [key, value] of Object.entries(parameters))
      if (typeof value === 'object' && value !== null && !Array.isArray(value))
        refuse(key, 'expected no object: parameters of their own for some layers are not supported')
  })

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
    rope_theta: z.number().positive().nullish(),
    rope_scaling: rope.nullish(),
    rope_parameters: rope.nullish(),
    tie_word_embeddings: z.boolean().nullish(),
    bos_token_id: id.nullish(),
    /** Of several the first ends a document. */
    eos_token_id: z.union([id, z.array(id)]).nullish(),
    // What would change the meaning of the weights.
    /** Two names of one function. */
    hidden_act: z.literal(['silu', 'swish'], { error: 'expected "silu"' }).default('silu'),
    attention_bias: off.default(false),
    mlp_bias: off.default(false),
    partial_rotary_factor: whole,
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
  /** Whether the output matrix is the embedding matrix; of the two, one may be stored alone. */
  readonly tied: boolean
  readonly bos?: number
  readonly eos?: number
}

/** Of two sets of parameters the older key's count, as transformers has it. */
function thetaOf({ rope_scaling, rope_parameters, rope_theta }: z.output<typeof llamaConfigSchema>): number {
  const counts = (set: object | null | undefined) => set && Object.keys(set).length > 0
  const parameters = counts(rope_scaling) ? rope_scaling : rope_parameters
  return parameters?.rope_theta ?? rope_theta ?? 10_000
}

/** Reads the `config.json` of a Hugging Face Llama. Throws a ConfigError that names each thing that we do not support. */
export async function readLlamaConfig(folder: string): Promise<LlamaConfig> {
  await checkCheckpointFolder(folder)
  const path = join(folder, 'config.json')
  const config = parseConfig(llamaConfigSchema, await readJson(path), path)
  const idOf = (given: number | number[] | null | undefined) =>
    [given].flat().find((id): id is number => id != null && id >= 0)
  const bos = idOf(config.bos_token_id)
  const eos = idOf(config.eos_token_id)
  return {
    vocabulary: config.vocab_size,
    layers: config.num_hidden_layers,
    channels: config.hidden_size,
    heads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads ?? config.num_attention_heads,
    feedForward: config.intermediate_size,
    ropeTheta: thetaOf(config),
    normEps: config.rms_norm_eps,
    tied: config.tie_word_embeddings ?? false,
    ...(bos !== undefined && { bos }),
    ...(eos !== undefined && { eos }),
  }
}
