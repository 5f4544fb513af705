/** GGUF files made of the checkpoints in test/fixtures/language-models, as llama.cpp's converter lays them out. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readSafetensors } from '../../../../lib/files/safetensors/safetensors.js'
import { SafetensorsFolder } from '../../../../lib/files/safetensors/safetensors_folder.js'
import { readLlamaConfig } from '../../../../lib/models/llama/config.js'
import { fromPretrained } from '../../../../lib/models/transfusion/io/from_pretrained.js'
import { initializeFrom } from '../../../../lib/models/transfusion/io/initialize.js'
import { compare } from '../../../check_op.js'
import {
  array,
  f32,
  floats,
  ggufBytes,
  type Stored,
  type StoredTensor,
  string,
  u32,
} from '../../../files/gguf/gguf_bytes.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { trainedText } from '../text_training.js'
import { llamaTokenizer } from './llama_folder.js'

const fixtures = fileURLToPath(new URL('../../../fixtures/language-models', import.meta.url))
const image = { channels: 1, patch: 2, height: 2, width: 2 }
const vocabulary = 97

const names: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
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

function ggufName(name: string): string {
  const [, layer, part, kind] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!
  return `${layer === undefined ? '' : `blk.${layer}.`}${names[part!]}.${kind}`
}

/** Rows of heads with the two elements of a rotary pair next to each other: llama.cpp's order for Llama. */
function asNeighbours(values: Float32Array, rows: number, headSize: number): Float32Array {
  const width = values.length / rows
  const ordered = new Float32Array(values.length)
  for (let head = 0; head < rows / headSize; head++)
    for (let i = 0; i < headSize / 2; i++)
      for (const side of [0, 1]) {
        const from = head * headSize + side * (headSize / 2) + i
        const to = head * headSize + 2 * i + side
        ordered.set(values.subarray(from * width, (from + 1) * width), to * width)
      }
  return ordered
}

interface Changes {
  readonly metadata?: Readonly<Record<string, Stored | undefined>>
  readonly tensors?: Readonly<Record<string, StoredTensor | undefined>>
}

/** Writes the fixture as a GGUF, some of its parts changed or left out. */
async function ggufOf(name: string, architecture: string, changes: Changes = {}): Promise<string> {
  const folder = join(fixtures, name)
  const config = await readLlamaConfig(folder)
  const { channels, heads, headSize = channels / heads } = config
  await using weights = await SafetensorsFolder.open(folder)
  const tensors: Record<string, StoredTensor | undefined> = {}
  for (const stored of weights.names) {
    const { shape, data } = await weights.read(stored)
    const values = data instanceof Uint16Array ? widened(data) : (data as Float32Array)
    const isRotated = architecture === 'llama' && /self_attn\.[qk]_proj/.test(stored)
    tensors[ggufName(stored)] = floats(shape, isRotated ? asNeighbours(values, shape[0]!, headSize) : values)
  }
  const own = (key: string) => `${architecture}.${key}`
  const metadata: Record<string, Stored | undefined> = {
    'general.architecture': string(architecture),
    [own('block_count')]: u32(config.layers),
    [own('context_length')]: u32(256),
    [own('embedding_length')]: u32(channels),
    [own('feed_forward_length')]: u32(config.feedForward),
    [own('attention.head_count')]: u32(heads),
    [own('attention.head_count_kv')]: u32(config.kvHeads),
    [own('attention.key_length')]: u32(headSize),
    [own('attention.value_length')]: u32(headSize),
    [own('attention.layer_norm_rms_epsilon')]: f32(config.normEps),
    [own('rope.freq_base')]: f32(config.ropeTheta),
    [own('rope.dimension_count')]: u32(headSize),
    'tokenizer.ggml.bos_token_id': u32(1),
    'tokenizer.ggml.eos_token_id': u32(2),
    ...changes.metadata,
  }
  const given = <T>(all: Readonly<Record<string, T | undefined>>) =>
    Object.entries(all).filter((entry): entry is [string, T] => entry[1] !== undefined)
  const path = join(await temporaryFolder(), 'model.gguf')
  await writeFile(
    path,
    ggufBytes(given(metadata), Object.fromEntries(given({ ...tensors, ...changes.tensors }))),
  )
  return path
}

const widened = (bits: Uint16Array) => new Float32Array(Uint32Array.from(bits, (value) => value << 16).buffer)

/** What llama.cpp's converter divides the frequencies of Llama 3 by. */
async function llama3Factors(): Promise<StoredTensor> {
  const json = JSON.parse(await readFile(join(fixtures, 'llama3/expected.json'), 'utf8'))
  const { ropeTheta } = await readLlamaConfig(join(fixtures, 'llama3'))
  const scaled: number[] = json.inverse_frequencies
  const factors = scaled.map((frequency, i) => ropeTheta ** (-i / scaled.length) / frequency)
  return floats([factors.length], factors)
}

describe('a GGUF file', () => {
  it.each<[name: string, architecture: string, changes: () => Promise<Changes>]>([
    ['smollm', 'llama', async () => ({})],
    ['mistral', 'llama', async () => ({})],
    ['llama3', 'llama', async () => ({ tensors: { 'rope_freqs.weight': await llama3Factors() } })],
    [
      'llama-yarn',
      'llama',
      async () => ({
        metadata: {
          'llama.rope.scaling.type': string('yarn'),
          'llama.rope.scaling.factor': f32(4),
          'llama.rope.scaling.original_context_length': u32(32),
        },
      }),
    ],
    ['qwen2', 'qwen2', async () => ({})],
    ['qwen3', 'qwen3', async () => ({})],
  ])('of %s has the logits that transformers has', async (name, architecture, changes) => {
    const path = await ggufOf(name, architecture, await changes())
    const tokenizer = llamaTokenizer({ size: vocabulary, images: true })
    using network = (await fromPretrained(path, { image, tokenizer })).network
    const { tensors } = await readSafetensors(join(fixtures, name, 'expected.safetensors'))
    const { logits } = await trainedText(network, tensors.get('ids')!.data as Int32Array, false)
    compare('logits', logits, tensors.get('float64.logits')!.data as Float32Array, 'f32')
  })

  it('brings its tokenizer and its chat template, and a model begins with it', async () => {
    const tokens = Array.from({ length: vocabulary }, (_, id) => `${id}`)
    const path = await ggufOf('smollm', 'llama', {
      metadata: {
        'tokenizer.ggml.model': string('gpt2'),
        'tokenizer.ggml.pre': string('smollm'),
        'tokenizer.ggml.tokens': array(tokens.map(string)),
        'tokenizer.ggml.token_type': array(tokens.map((_, id) => u32(id < 3 ? 3 : 1))),
        'tokenizer.ggml.merges': array([]),
        'tokenizer.chat_template': string('{{ messages[0].content }}'),
      },
    })
    const model = await initializeFrom(path, { sizes: { image, normEps: 1e-5 } })
    using network = model.network
    expect(network.config).toMatchObject({ vocabulary: 99, tokens: { bos: 1, end: 2 }, heads: 3, kvHeads: 1 })
    expect([...(await model.tokenizer.encode('7'))]).toEqual([7])
    expect(model.chatTemplate!.text).toBe('{{ messages[0].content }}')
    await expect(initializeFrom(path, { sizes: { image, heads: 4 } })).rejects.toThrow(
      `${path}: its weights cannot be taken: heads is 3, expected 4`,
    )
    await expect(initializeFrom(path)).rejects.toThrow(`${path}: a language model has no images`)
  })

  it.each<[message: string, changes: Changes]>([
    [
      '"general.architecture" is "gemma3"; those read are llama, qwen2, qwen3',
      { metadata: { 'general.architecture': string('gemma3') } },
    ],
    ['"llama.block_count" is missing', { metadata: { 'llama.block_count': undefined } }],
    ['"llama.block_count" is "2"; expected a number', { metadata: { 'llama.block_count': string('2') } }],
    [
      '"llama.rope.dimension_count" is 8, the heads have 14: heads that are rotated in part are not supported',
      { metadata: { 'llama.rope.dimension_count': u32(8) } },
    ],
    ['has no tensor "token_embd.weight"', { tensors: { 'token_embd.weight': undefined } }],
    ['tensor "blk.1.ffn_up.weight" is missing', { tensors: { 'blk.1.ffn_up.weight': undefined } }],
    [
      'tensor "output_norm.weight" is [3], expected [42]',
      { tensors: { 'output_norm.weight': floats([3], [1, 2, 3]) } },
    ],
    [
      'a model of this config has no tensor "blk.0.attn_q.bias"',
      { tensors: { 'blk.0.attn_q.bias': floats([42], Array(42).fill(0)) } },
    ],
    ['"tokenizer.ggml.tokens" is missing', {}],
  ])('is refused: %s', async (message, changes) => {
    const path = await ggufOf('smollm', 'llama', changes)
    const isTokenizers = message.includes('tokenizer')
    const tokenizer = llamaTokenizer({ size: vocabulary, images: true })
    await expect(fromPretrained(path, { image, ...(!isTokenizers && { tokenizer }) })).rejects.toThrow(
      `${path}: ${message}`,
    )
  })
})
