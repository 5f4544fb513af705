/** Language models in GGUF files, llama.cpp's format, under the names of Hugging Face's (llama.cpp, gguf-py/gguf/constants.py). */
import { formatValue } from '../../describe.js'
import { GgufFile } from '../../files/gguf/gguf_file.js'
import { GgufError } from '../../files/gguf/header.js'
import type { BlockDType } from '../../tensor/dtype.js'
import { ggufTokenizer } from '../../tokenizer/gguf_tokenizer.js'
import { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import { type LlamaConfig, parseLlamaConfig } from './config.js'
import type { PretrainedModel, PretrainedWeights } from './pretrained.js'
import type { LlamaTensor } from './tensors.js'

const architectures = ['llama', 'qwen2', 'qwen3']
/** Divide the frequencies of RoPE: how a GGUF has Llama 3's scaling. */
const frequencyFactors = 'rope_freqs.weight'

/** Opens a GGUF for its config and its tokenizer. Throws an Error that names the file and what is missing or not supported. */
export async function openGgufModel(path: string): Promise<PretrainedModel> {
  await using file = await GgufFile.open(path)
  const config = await readConfig(file)
  const { metadata } = file
  const template = metadata.get('tokenizer.chat_template')
  return {
    config,
    openWeights: async () => new GgufWeights(await file.reopen(), config),
    readTokenizer: async () => {
      const { json, names } = ggufTokenizer(metadata, path)
      return new JsonTokenizer(json, names)
    },
    readChatTemplate: async () => (typeof template === 'string' ? template : undefined),
  }
}

async function readConfig(file: GgufFile): Promise<LlamaConfig> {
  const { path, metadata, tensors } = file
  const fail = (problem: string): never => {
    throw new GgufError(`${path}: ${problem}`)
  }
  const architecture = metadata.get('general.architecture')
  if (typeof architecture !== 'string' || !architectures.includes(architecture))
    return fail(
      `"general.architecture" is ${formatValue(architecture)}; those read are ${architectures.join(', ')}`,
    )
  const optional = (key: string): number | undefined => {
    const value = metadata.get(key)
    if (value !== undefined && typeof value !== 'number')
      fail(`"${key}" is ${formatValue(value)}; expected a number`)
    return value as number | undefined
  }
  const own = (key: string) => optional(`${architecture}.${key}`)
  const needed = (key: string): number => own(key) ?? fail(`"${architecture}.${key}" is missing`)
  const [channels, heads] = [needed('embedding_length'), needed('attention.head_count')]
  const headSize = own('attention.key_length') ?? channels / heads
  for (const [key, what] of [
    ['attention.value_length', 'values of another size than the keys'],
    ['rope.dimension_count', 'heads that are rotated in part'],
  ] as const)
    if ((own(key) ?? headSize) !== headSize)
      fail(`"${architecture}.${key}" is ${own(key)}, the heads have ${headSize}: ${what} are not supported`)
  const embedding = tensors.get('token_embd.weight') ?? fail('has no tensor "token_embd.weight"')
  const kind = metadata.get(`${architecture}.rope.scaling.type`) ?? 'none'
  const config = parseLlamaConfig(
    {
      model_type: architecture,
      vocab_size: embedding.shape[0],
      num_hidden_layers: needed('block_count'),
      hidden_size: channels,
      num_attention_heads: heads,
      num_key_value_heads: own('attention.head_count_kv'),
      head_dim: headSize,
      intermediate_size: needed('feed_forward_length'),
      rms_norm_eps: needed('attention.layer_norm_rms_epsilon'),
      max_position_embeddings: needed('context_length'),
      rope_parameters: {
        rope_type: kind === 'none' ? 'default' : kind,
        rope_theta: own('rope.freq_base'),
        factor: own('rope.scaling.factor'),
        original_max_position_embeddings: own('rope.scaling.original_context_length'),
      },
      tie_word_embeddings: !tensors.has('output.weight'),
      bos_token_id: optional('tokenizer.ggml.bos_token_id'),
      eos_token_id: optional('tokenizer.ggml.eos_token_id'),
    },
    `${path}, as a config of Hugging Face's`,
  )
  if (!tensors.has(frequencyFactors)) return config
  const by: number[] = []
  for await (const piece of file.read(frequencyFactors)) by.push(...piece)
  return { ...config, ropeScaling: { type: 'divided', by } }
}

const parts: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'self_attn.o_proj': 'attn_output',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
}

const whole: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
}

/** The block types of a file that products take as they lie, under their names here. */
const blockDTypesByName: Readonly<Record<string, BlockDType>> = {
  Q8_0: 'q8_0',
  Q4_0: 'q4_0',
  Q4_1: 'q4_1',
  Q4_K: 'q4_k',
  Q6_K: 'q6_k',
}

class GgufWeights implements PretrainedWeights {
  readonly #file: GgufFile
  readonly #config: LlamaConfig
  /** Whether the two elements of a rotary pair are neighbours, as llama.cpp has them for Llama alone; here they are halves. */
  readonly #pairsAreNeighbours: boolean

  constructor(file: GgufFile, config: LlamaConfig) {
    this.#file = file
    this.#config = config
    this.#pairsAreNeighbours = file.metadata.get('general.architecture') === 'llama'
  }

  check({ name, shape }: LlamaTensor): void {
    const { path, tensors } = this.#file
    const stored = this.#storedName(name)
    const found = tensors.get(stored)
    if (found?.shape.join() === shape.join()) return
    const what = found ? `is [${found.shape.join(', ')}], expected [${shape.join(', ')}]` : 'is missing'
    throw new GgufError(`${path}: tensor "${stored}" ${what}`)
  }

  async *pieces(name: string): AsyncGenerator<Float32Array, void, undefined> {
    for await (const piece of this.#file.read(this.#storedName(name), this.#rowsAtOnce(name)))
      yield this.#ordered(name, piece)
  }

  blockType(name: string): BlockDType | undefined {
    return blockDTypesByName[this.#file.tensors.get(this.#storedName(name))!.type.name]
  }

  async *blockPieces(name: string): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of this.#file.readBlocks(this.#storedName(name), this.#rowsAtOnce(name)))
      yield this.#ordered(name, piece)
  }

  get storesHalves(): boolean {
    const { tensors } = this.#file
    return [...tensors.values()].some(
      ({ shape, type }) => shape.length === 2 && type.name !== 'F32' && !(type.name in blockDTypesByName),
    )
  }

  isSame(name: string, other: string): boolean {
    return this.#storedName(name) === this.#storedName(other)
  }

  /** Whether the rows of a tensor are those of rotary pairs whose elements are neighbours. */
  #hasNeighbours(name: string): boolean {
    return this.#pairsAreNeighbours && /\.self_attn\.[qk]_proj\.weight$/.test(name)
  }

  #rowsAtOnce(name: string): number {
    const { channels, heads, headSize = channels / heads } = this.#config
    return this.#hasNeighbours(name) ? headSize : 1
  }

  #ordered<Values extends Float32Array | Uint8Array>(name: string, rows: Values): Values {
    if (!this.#hasNeighbours(name)) return rows
    const { type } = this.#file.tensors.get(this.#storedName(name))!
    const { channels } = this.#config
    const width = rows instanceof Uint8Array ? (channels / type.values) * type.bytes : channels
    return withHalves(rows, this.#rowsAtOnce(name), width)
  }

  refuseOthers(known: ReadonlySet<string>): void {
    const stored = new Set([...known].map((name) => this.#storedName(name)))
    const unknown = [...this.#file.tensors.keys()].find(
      (name) => !stored.has(name) && name !== frequencyFactors,
    )
    if (unknown !== undefined)
      throw new GgufError(`${this.#file.path}: a model of this config has no tensor "${unknown}"`)
  }

  #storedName(name: string): string {
    const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? []
    const stored = part === undefined ? whole[name]! : `blk.${layer}.${parts[part]}.${kind}`
    const isTied = stored === 'output.weight' && this.#config.tied
    return isTied ? 'token_embd.weight' : stored
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close()
  }
}

/** Rows of heads whose pairs are neighbours, with pairs in the two halves of a head. */
function withHalves<Values extends Float32Array | Uint8Array>(
  rows: Values,
  headSize: number,
  width: number,
): Values {
  const ordered = rows.slice() as Values
  const half = headSize / 2
  for (let row = 0; row < rows.length / width; row++) {
    const inside = row % headSize
    const target = row - inside + (inside % 2) * half + (inside >> 1)
    ordered.set(rows.subarray(row * width, (row + 1) * width), target * width)
  }
  return ordered
}
