import type { LlamaConfig } from './config.js'

/** A tensor of the checkpoint. */
export interface LlamaTensor {
  readonly name: string
  readonly shape: readonly number[]
}

const embeddingName = 'model.embed_tokens.weight'
const outputName = 'lm_head.weight'

/**
 * The checkpoint's tensors that, one below the other, make one of our parameters of the transformer; undefined for the
 * image parts, which a Llama lacks. Both have rotary pairs as the two halves of a head.
 */
export function llamaTensors(parameter: string, config: LlamaConfig): readonly LlamaTensor[] | undefined {
  const { vocabulary, channels, heads, kvHeads, feedForward, headSize = channels / heads } = config
  const ofEachHead = config.qkNorm === 'layer'
  const [queries, keys] = [heads * headSize, kvHeads * headSize]
  switch (parameter) {
    case 'embedding.weight':
      return [{ name: embeddingName, shape: [vocabulary, channels] }]
    case 'output.weight':
      return [{ name: outputName, shape: [vocabulary, channels] }]
    case 'norm.weight':
      return [{ name: 'model.norm.weight', shape: [channels] }]
  }
  const [, layer, part, kind] = /^layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(parameter) ?? []
  const tensor = (name: string, ...shape: number[]) => ({
    name: `model.layers.${layer}.${name}.${kind}`,
    // Of the outputs alone.
    shape: kind === 'bias' ? shape.slice(0, 1) : shape,
  })
  const headNorm = (name: string, count: number) => ({
    name: `model.layers.${layer}.${name}.${kind}`,
    shape: ofEachHead ? [count, headSize] : [headSize],
  })
  switch (part) {
    case 'attention_norm':
      return [tensor('input_layernorm', channels)]
    case 'attention.qkv':
      return [
        tensor('self_attn.q_proj', queries, channels),
        tensor('self_attn.k_proj', keys, channels),
        tensor('self_attn.v_proj', keys, channels),
      ]
    case 'attention.query_norm':
      return [headNorm('self_attn.q_norm', heads)]
    case 'attention.key_norm':
      return [headNorm('self_attn.k_norm', kvHeads)]
    case 'attention.output':
      return [tensor('self_attn.o_proj', channels, queries)]
    case 'feed_forward_norm':
      return [tensor('post_attention_layernorm', channels)]
    case 'feed_forward.gate_up':
      return [tensor('mlp.gate_proj', feedForward, channels), tensor('mlp.up_proj', feedForward, channels)]
    case 'feed_forward.down':
      return [tensor('mlp.down_proj', channels, feedForward)]
  }
  return undefined
}

/**
 * Under which name a checkpoint has a tensor: that of a base model (LlamaModel) has no "model." before its names, and
 * of two tied matrices one may stand for both. Where both are stored each counts, as in transformers 5.
 */
export function storedName(name: string, has: (name: string) => boolean, { tied }: LlamaConfig): string {
  const other = name === embeddingName ? outputName : name === outputName ? embeddingName : undefined
  const names = [name, ...(tied && other !== undefined ? [other] : [])]
  return names.flatMap((name) => [name, name.replace(/^model\./, '')]).find(has) ?? name
}

/** What older checkpoints hold besides their weights: RoPE's frequencies, which follow from the config. */
export const isDerived = (name: string): boolean => name.endsWith('.rotary_emb.inv_freq')
