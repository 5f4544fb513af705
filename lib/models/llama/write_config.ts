import type { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import type { LlamaConfig } from './config.js'
import { contextOf, ropeJson } from './rope.js'

/** The paper's context. A model of ours has no bound; transformers asks for one, which nothing here depends on. */
const contextLength = 4096

/**
 * The `model_type` of transformers that computes what a config says, and the keys by which it does.
 * @throws Error where there is none
 */
function typeOf(config: LlamaConfig): { model_type: string; architecture: string; keys: object } {
  const { attentionBias: bias, qkNorm, unrotatedLayers, layers, channels, heads } = config
  const attention_bias = bias === 'all'
  const refuse = (what: string) =>
    new Error(`no type of model of Hugging Face's transformers that is written has ${what} (model config)`)
  if (qkNorm && unrotatedLayers?.length) throw refuse('both qkNorm and unrotatedLayers')
  if (qkNorm || unrotatedLayers?.length) {
    if (bias === 'qkv')
      throw refuse(`both ${qkNorm ? 'qkNorm' : 'unrotatedLayers'} and attentionBias "qkv" without "all"`)
    const full = { attention_bias, use_sliding_window: false, sliding_window: null }
    if (qkNorm) return { model_type: 'qwen3', architecture: 'Qwen3ForCausalLM', keys: full }
    const no_rope_layers = Array.from({ length: layers }, (_, i) => (unrotatedLayers!.includes(i) ? 0 : 1))
    const keys = { ...full, mlp_bias: false, no_rope_layers }
    return { model_type: 'smollm3', architecture: 'SmolLM3ForCausalLM', keys }
  }
  if (bias === 'qkv') {
    const keys = { use_sliding_window: false, sliding_window: null }
    return { model_type: 'qwen2', architecture: 'Qwen2ForCausalLM', keys }
  }
  // A Llama's channels are a multiple of its heads, whatever their size.
  if (channels % heads !== 0) {
    if (bias) throw refuse('attentionBias "all" and channels that are no multiple of the heads')
    return { model_type: 'mistral', architecture: 'MistralForCausalLM', keys: { sliding_window: null } }
  }
  return { model_type: 'llama', architecture: 'LlamaForCausalLM', keys: { attention_bias, mlp_bias: false } }
}

/**
 * `config.json` as both versions 4 and 5 of transformers read it.
 * @throws Error that names what no model type that is written has
 */
export function llamaConfigJson(
  config: LlamaConfig,
  precision: 'f32' | 'bf16',
): { architectures: string[]; [key: string]: unknown } {
  const { model_type, architecture, keys } = typeOf(config)
  const { channels, heads, ropeTheta, ropeScaling } = config
  return {
    architectures: [architecture],
    model_type,
    vocab_size: config.vocabulary,
    hidden_size: channels,
    intermediate_size: config.feedForward,
    num_hidden_layers: config.layers,
    num_attention_heads: heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headSize ?? channels / heads,
    hidden_act: 'silu',
    rms_norm_eps: config.normEps,
    ...ropeJson(ropeTheta, ropeScaling),
    max_position_embeddings: contextOf(ropeScaling) ?? contextLength,
    ...keys,
    tie_word_embeddings: config.tied,
    bos_token_id: config.bos ?? null,
    eos_token_id: config.eos ?? null,
    torch_dtype: precision === 'f32' ? 'float32' : 'bfloat16',
  }
}

/** `generation_config.json`: where a text ends. */
export const generationConfigJson = ({ bos, eos }: LlamaConfig) => ({
  bos_token_id: bos ?? null,
  eos_token_id: eos ?? null,
})

/** `tokenizer_config.json`: how transformers opens `tokenizer.json`, and which of its tokens are special. */
export function tokenizerConfigJson(
  tokenizer: JsonTokenizer,
  { bos, eos }: LlamaConfig,
  chatTemplate: string | undefined,
): object {
  const [{ model }] = tokenizer.definition
  const named = (name: string, id: number | undefined) =>
    id === undefined ? {} : { [name]: tokenizer.decode([id]) }
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...named('bos_token', bos),
    ...named('eos_token', eos),
    ...(typeof model.unk_token === 'string' && { unk_token: model.unk_token }),
    ...(chatTemplate !== undefined && { chat_template: chatTemplate }),
    clean_up_tokenization_spaces: false,
  }
}
