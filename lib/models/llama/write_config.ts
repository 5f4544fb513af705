import type { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import type { LlamaConfig } from './config.js'

/** The paper's context. A model of ours has no bound; transformers asks for one, which nothing here depends on. */
const contextLength = 4096

/** `config.json` as both versions 4 and 5 of transformers read it. */
export const llamaConfigJson = (config: LlamaConfig, precision: 'f32' | 'bf16') => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: config.vocabulary,
  hidden_size: config.channels,
  intermediate_size: config.feedForward,
  num_hidden_layers: config.layers,
  num_attention_heads: config.heads,
  num_key_value_heads: config.kvHeads,
  head_dim: config.channels / config.heads,
  hidden_act: 'silu',
  rms_norm_eps: config.normEps,
  rope_theta: config.ropeTheta,
  rope_parameters: { rope_type: 'default', rope_theta: config.ropeTheta },
  max_position_embeddings: contextLength,
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: config.tied,
  bos_token_id: config.bos ?? null,
  eos_token_id: config.eos ?? null,
  torch_dtype: precision === 'f32' ? 'float32' : 'bfloat16',
})

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
