import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  readSafetensors,
  type SafetensorsTensor,
  writeSafetensors,
} from '../../../../lib/files/safetensors/safetensors.js'
import { Transfusion } from '../../../../lib/transfusion.js'
import { readLlamaConfig } from '../../../../lib/models/llama/config.js'
import { uploadAttentionMetadata } from '../../../../lib/nn/attention_metadata.js'
import {
  fromPretrained,
  type FromPretrainedOptions,
} from '../../../../lib/models/transfusion/io/from_pretrained.js'
import type { TransfusionNetwork } from '../../../../lib/models/transfusion/model.js'
import { buildMetadata, sequenceStart } from '../../../../lib/sequence/metadata.js'
import { memory } from '../../../../lib/tensor/device.js'
import { scope } from '../../../../lib/tensor/scope.js'
import { fromArray } from '../../../../lib/tensor/tensor.js'
import { compare } from '../../../check_op.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import {
  fixture,
  llamaFolder,
  llamaTokenizer,
  llamaTokenizerJson,
  shardedLlama,
  writeConfig,
} from './llama_folder.js'

const image = { channels: 1, patch: 2, height: 4, width: 4 }
const { tensors: expected } = await readSafetensors(join(fixture, 'expected.safetensors'))
const greedy: number[] = JSON.parse(
  await readFile(join(fixture, 'expected.json'), 'utf8'),
).greedy_from_first_9
const ids = expected.get('ids')!.data as Int32Array

/** Logits [T, V] of the text `ids`. */
async function logitsOf(network: TransfusionNetwork): Promise<Float32Array> {
  const rows = Int32Array.of(0, ids.length)
  const spans = [{ type: 'text' as const, ids: [...ids] }]
  const layout = buildMetadata([{ spans, start: sequenceStart, keyStart: 0 }], image)
  using logits = scope(() => {
    const uploaded = uploadAttentionMetadata(
      { ...layout, queryRows: rows, keyRows: rows },
      network.config.image,
    )
    const { hidden } = network.forward(uploaded)
    return network.logits(hidden, fromArray(Int32Array.from(ids.keys())))
  })
  return await logits.readFloats()
}

/** The first `size` of each row of `width`. */
const cut = (values: Float32Array, width: number, size: number) => values.filter((_, i) => i % width < size)

const read = async (folder: string, options: Partial<FromPretrainedOptions> = {}) =>
  (await fromPretrained(folder, { image, tokenizer: llamaTokenizer({}), ...options })).network

const valuesOf = async ({ arena }: TransfusionNetwork, name: string) => {
  using values = arena.valuesOf(arena.parameters.find((parameter) => parameter.name === name)!)
  return await values.readFloats()
}

describe('Transfusion.fromPretrained', () => {
  it("keeps a Llama's logits and text, grows rows for BOI and EOI, and makes a folder that loads alone", async () => {
    const folder = await llamaFolder()
    await writeConfig(folder, { bos_token_id: null })
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(llamaTokenizerJson({})))
    using model = await Transfusion.fromPretrained(folder, { image })
    expect(model.network.config).toMatchObject({
      vocabulary: 302,
      tokens: { end: 2, boi: 300, eoi: 301 },
      kvHeads: 2,
      feedForward: 172,
    })
    const wanted = expected.get('logits')!.data as Float32Array
    const logits = await logitsOf(model.network)
    compare('logits', cut(logits, 302, 300), wanted, 'f32')

    const saved = await temporaryFolder()
    await model.save(saved)
    using loaded = await Transfusion.load(saved)
    expect(await logitsOf(loaded.network)).toEqual(logits)
    const words = greedy.map((id) => `w${id}`)
    let text = ''
    for await (const part of loaded.generate(words.slice(0, 9).join(' '), { maxTokens: words.length - 9 }))
      if (part.type === 'text') text += part.text
    expect(text.trim()).toBe(words.slice(9).join(' '))
  })

  it('begins BOI and EOI as the mean of the other rows', async () => {
    using network = await read(fixture)
    for (const name of ['embedding.weight', 'output.weight']) {
      const values = await valuesOf(network, name)
      const mean = Float32Array.from({ length: 64 }, (_, channel) => {
        let sum = 0
        for (let row = 0; row < 300; row++) sum += values[row * 64 + channel]!
        return sum / 300
      })
      for (const row of [300, 301])
        compare(name, values.subarray(row * 64, row * 64 + 64), mean, 'f32', 'elementwise')
    }
  })

  it("gives patches vectors of the text embeddings' size, from the seed", async () => {
    const rms = (values: Float32Array) =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
    using network = await read(fixture)
    using same = await read(fixture)
    using other = await read(fixture, { seed: 1 })
    const name = 'patch_encoder.projection.weight'
    const projection = await valuesOf(network, name)
    expect(await valuesOf(same, name)).toEqual(projection)
    expect(await valuesOf(other, name)).not.toEqual(projection)
    // Unit values in: the sum over a patch's values has the standard deviation of a weight times their root.
    const size = Math.sqrt(image.patch ** 2) * rms(projection)
    const embeddings = rms((await valuesOf(network, 'embedding.weight')).subarray(0, 300 * 64))
    expect(size / embeddings).toBeGreaterThan(0.8)
    expect(size / embeddings).toBeLessThan(1.25)
  })

  it('leaves out the rows beyond its tokens, but for those that become BOI and EOI', async () => {
    using network = await read(fixture, { tokenizer: llamaTokenizer({ size: 299 }) })
    expect(network.config).toMatchObject({ vocabulary: 301, tokens: { bos: 1, end: 2, boi: 299, eoi: 300 } })
    const wanted = cut(expected.get('logits')!.data as Float32Array, 300, 299)
    compare('logits', cut(await logitsOf(network), 301, 299), wanted, 'f32')
    using smaller = await read(fixture, { tokenizer: llamaTokenizer({ size: 290 }) })
    expect((await valuesOf(smaller, 'output.weight')).length).toBe(292 * 64)
  })

  it('reads bf16', async () => {
    const folder = await llamaFolder()
    const path = join(folder, 'model.safetensors')
    const { tensors } = await readSafetensors(path)
    const upper = (floats: Float32Array) => new Uint32Array(floats.buffer).map((word) => word >>> 16)
    const rounded = [...tensors].map(([name, { shape, data }]): [string, SafetensorsTensor] => [
      name,
      { dtype: 'bf16', shape, data: Uint16Array.from(upper(data as Float32Array)) },
    ])
    await writeSafetensors(path, new Map(rounded))
    using network = await read(folder)
    const norm = upper(tensors.get('model.norm.weight')!.data as Float32Array).map((bits) => bits << 16)
    expect(await valuesOf(network, 'norm.weight')).toEqual(new Float32Array(norm.buffer))
  })

  it.each([
    ['both', [], false],
    ['the embedding alone', ['lm_head.weight'], true],
    ['the output alone', ['model.embed_tokens.weight'], true],
  ])('reads tied matrices of which it stores %s', async (_what, absent, equal) => {
    const folder = await llamaFolder()
    await writeConfig(folder, { tie_word_embeddings: true })
    const path = join(folder, 'model.safetensors')
    const { tensors } = await readSafetensors(path)
    const stored = new Map([...tensors].filter(([name]) => !absent.includes(name)))
    await writeSafetensors(path, stored)
    using network = await read(folder)
    const embedding = stored.get('model.embed_tokens.weight') ?? stored.get('lm_head.weight')!
    const output = stored.get('lm_head.weight') ?? embedding
    for (const [name, { data }] of [
      ['embedding.weight', embedding],
      ['output.weight', output],
    ] as const)
      expect((await valuesOf(network, name)).subarray(0, 300 * 64)).toEqual(data)
    expect(embedding === output).toBe(equal)
  })

  it('reads a base model, whose names lack "model."', async () => {
    const folder = await llamaFolder()
    const path = join(folder, 'model.safetensors')
    const { tensors } = await readSafetensors(path)
    await writeSafetensors(path, new Map([...tensors].map(([name, t]) => [name.replace(/^model\./, ''), t])))
    using network = await read(folder)
    using same = await read(fixture)
    expect(await network.arena.values.readFloats()).toEqual(await same.arena.values.readFloats())
  })

  it('reads shards as it reads one file', async () => {
    using one = await read(await llamaFolder())
    using sharded = await read(await shardedLlama())
    expect(await sharded.arena.values.readFloats()).toEqual(await one.arena.values.readFloats())
  })

  it.each<[string, Parameters<typeof shardedLlama>[0], string]>([
    [
      'a tensor in two shards',
      ([first, second]) => second!.set('lm_head.weight', first!.get('lm_head.weight')!),
      'model-00002-of-00003.safetensors: tensor "lm_head.weight" is in model-00001-of-00003.safetensors as well',
    ],
    [
      'a tensor in another shard than the index says',
      (_, map) => (map['lm_head.weight'] = 'model-00003-of-00003.safetensors'),
      'tensor "lm_head.weight" should be in model-00003-of-00003.safetensors; it is in model-00001-of-00003.safetensors',
    ],
    [
      'a tensor that is in no shard',
      ([first]) => first!.delete('lm_head.weight'),
      'tensor "lm_head.weight" should be in model-00001-of-00003.safetensors; it is in none',
    ],
    [
      'a tensor that the index lacks',
      (_, map) => delete map['lm_head.weight'],
      'tensor "lm_head.weight" is not in model.safetensors.index.json',
    ],
    [
      'an index without tensors',
      (_, map) => Object.keys(map).forEach((name) => delete map[name]),
      'model.safetensors.index.json: its weight_map lists no tensors',
    ],
    [
      'a shard outside the folder',
      (_, map) => (map['lm_head.weight'] = '../model.safetensors'),
      'weight_map.lm_head.weight: expected the name of a file; received "../model.safetensors"',
    ],
    [
      'a tensor of another shape',
      ([first]) =>
        first!.set('lm_head.weight', { dtype: 'f32', shape: [64, 300], data: new Float32Array(19_200) }),
      'tensor "lm_head.weight" must be F32, BF16, F16 or F64 of shape [300, 64], it is F32 of [64, 300]',
    ],
    [
      'a tensor of integers',
      ([first]) =>
        first!.set('lm_head.weight', { dtype: 'i32', shape: [300, 64], data: new Int32Array(19_200) }),
      'it is I32 of [300, 64]',
    ],
    [
      'a tensor that such a model has not',
      ([first], map) => {
        first!.set('model.layers.0.self_attn.q_proj.bias', first!.get('lm_head.weight')!)
        map['model.layers.0.self_attn.q_proj.bias'] = map['lm_head.weight']!
      },
      'a model of this config has no tensor "model.layers.0.self_attn.q_proj.bias"',
    ],
    [
      'a tensor missing everywhere',
      ([first], map) => {
        first!.delete('lm_head.weight')
        delete map['lm_head.weight']
      },
      'tensor "lm_head.weight" is missing',
    ],
  ])('refuses %s, and nothing stays allocated', async (_what, change, message) => {
    const folder = await shardedLlama(change)
    const before = memory().tensors
    await expect(read(folder)).rejects.toThrow(message)
    expect(memory().tensors).toBe(before)
  })

  it('names a missing shard, and weights of another kind', async () => {
    const folder = await shardedLlama()
    const shard = join(folder, 'model-00002-of-00003.safetensors')
    await rm(shard)
    await expect(read(folder)).rejects.toThrow(
      'model.safetensors.index.json: lists model-00002-of-00003.safetensors, which is not in the folder',
    )
    await rename(join(folder, 'model.safetensors.index.json'), join(folder, 'pytorch_model.bin'))
    await expect(read(folder)).rejects.toThrow(
      `${folder}: holds neither model.safetensors nor model.safetensors.index.json; pytorch_model.bin is pickled, which is not read: convert it to safetensors`,
    )
  })

  it.each<[string, string[], string]>([
    ['pickled shards', ['config.json', 'pytorch_model.bin.index.json', 'pytorch_model-1.bin'], 'is pickled'],
    [
      'an adapter',
      ['adapter_config.json', 'adapter_model.safetensors'],
      'is an adapter (LoRA) without the model',
    ],
    ['an adapter with a config', ['config.json', 'adapter_model.safetensors'], 'merge the two'],
    ['GGUF', ['tiny.Q4_K_M.gguf'], 'tiny.Q4_K_M.gguf is GGUF: transfusion train --init'],
    ["Meta's layout", ['consolidated.00.pth', 'params.json'], "is in the layout of Meta's own code"],
    [
      "a trainer's output",
      ['checkpoint-500', 'runs'],
      'it holds checkpoint-500: give one of its checkpoints',
    ],
    ['the cache of the Hub', ['blobs', 'refs', 'snapshots'], 'give one of the folders in snapshots'],
    ['shards without index', ['config.json', 'model-00001-of-00002.safetensors'], 'whose index is missing'],
    ['another name', ['config.json', 'Model.Safetensors'], 'has another name than expected'],
    ['nothing', [], 'config.json: no such file'],
  ])('says of a folder with %s what to do', async (_what, files, message) => {
    const folder = await temporaryFolder()
    for (const file of files) await writeFile(join(folder, file), '')
    if (files.includes('config.json')) await writeConfig(folder)
    await expect(read(folder)).rejects.toThrow(message)
  })

  it('says so where the folder is a file, is not there, or holds pointers of Git LFS', async () => {
    const folder = await llamaFolder()
    const path = join(folder, 'model.safetensors')
    await expect(read(path)).rejects.toThrow(`${path}: is a file; expected the folder that holds it`)
    await expect(read('someone/tiny-llama')).rejects.toThrow(
      'someone/tiny-llama: no such folder; nothing is fetched from the Hugging Face Hub',
    )
    await writeFile(path, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n')
    await expect(read(folder)).rejects.toThrow(`${path}: is a Git LFS pointer, not the file itself`)
  })

  it.each([
    [
      { model_type: 'gemma2' },
      'model_type: expected "llama", "mistral", "qwen2", "qwen3" or "smollm3"; received "gemma2"',
    ],
    [{ hidden_act: 'gelu' }, 'hidden_act: expected "silu"; received "gelu"'],
    [{ mlp_bias: true }, 'mlp_bias: expected false: biases of the feed-forward'],
    [{ head_dim: 15 }, 'head_dim: expected an even number: rotary pairs need one; received 15'],
    [
      { rope_scaling: { type: 'longrope', factor: 2 } },
      'rope_scaling.type: expected "default", "linear", "dynamic", "llama3", "yarn": other scaled positions',
    ],
    [
      { rope_scaling: { type: 'default', rope_type: 'su', factor: 2 } },
      'rope_scaling.rope_type: expected "default", "linear"',
    ],
    [
      { rope_scaling: { type: 'linear' } },
      'rope_scaling.factor: expected a number, by which "linear" scales positions',
    ],
    [{ rope_scaling: { type: 'linear', factor: 0.5 } }, 'rope_scaling.factor: expected'],
    [
      { rope_parameters: { rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 1 } },
      'rope_parameters.high_freq_factor: expected more than low_freq_factor',
    ],
    [
      { model_type: 'mistral', sliding_window: 100, max_position_embeddings: 101 },
      'sliding_window: expected none, or at least the context of 101 positions (max_position_embeddings)',
    ],
    [{ model_type: 'mistral', max_position_embeddings: 8192 }, 'sliding_window: expected none'],
    [
      { model_type: 'qwen3', use_sliding_window: true, sliding_window: 64, max_window_layers: 0 },
      'sliding_window: expected none',
    ],
    [
      { model_type: 'qwen2', layer_types: ['full_attention', 'linear_attention'] },
      'layer_types[1]: expected "full_attention" or "sliding_attention"',
    ],
    [{ model_type: 'smollm3', no_rope_layers: [1] }, 'no_rope_layers: expected a number for each of the 2'],
    [
      { rope_parameters: { full_attention: { rope_theta: 1 } } },
      'rope_parameters.full_attention: expected no',
    ],
    [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor: expected 1: heads that are rotated in part'],
    [{ quantization_config: { bits: 4 } }, 'quantization_config: expected none: quantized weights'],
    [{ vocab_size: undefined }, 'vocab_size: expected'],
    [{ num_attention_heads: 3, head_dim: null }, 'channels: expected a multiple of twice the heads (6)'],
  ])('refuses the config %j by name', async (change, message) => {
    const folder = await llamaFolder()
    await writeConfig(folder, change)
    await expect(read(folder)).rejects.toThrow(message)
  })

  // Theta as transformers 5.24.0 has it.
  it.each([
    [{}, 10_000],
    [{ rope_theta: 5000, rope_scaling: null }, 5000],
    [{ rope_parameters: { rope_theta: 7000 } }, 7000],
    [{ rope_theta: 5000, rope_parameters: { rope_type: 'default', rope_theta: 7000 } }, 7000],
    [{ rope_theta: 5000, rope_parameters: { rope_type: 'default' } }, 5000],
    [{ rope_theta: 5000, rope_parameters: {} }, 5000],
    [{ rope_scaling: { rope_type: 'default', rope_theta: 9000 } }, 9000],
    [{ rope_theta: 5000, rope_scaling: { type: 'default', rope_theta: 9000 } }, 9000],
    [
      { rope_scaling: { rope_type: 'default', rope_theta: 9000 }, rope_parameters: { rope_theta: 7000 } },
      9000,
    ],
    [{ rope_scaling: { rope_type: 'default' }, rope_parameters: { rope_theta: 7000 } }, 10_000],
    [{ rope_scaling: {}, rope_parameters: { rope_theta: 7000 } }, 7000],
    [{ rope_scaling: { factor: 2 } }, 10_000],
    [{ rope_scaling: { type: 'linear', factor: 1 } }, 10_000],
    [{ rope_scaling: { type: 'linear', rope_type: 'default', factor: 2 } }, 10_000],
  ])('takes theta from %j', async (change, theta) => {
    const folder = await llamaFolder()
    await writeConfig(folder, { rope_parameters: undefined, ...change })
    expect((await readLlamaConfig(folder)).ropeTheta).toBe(theta)
  })

  it('reads what other versions leave out, rename or set to null', async () => {
    const folder = await llamaFolder()
    const usual = await readLlamaConfig(folder)
    await writeConfig(folder, {
      head_dim: null,
      hidden_act: 'swish',
      tie_word_embeddings: null,
      attention_bias: null,
      mlp_bias: undefined,
      quantization_config: null,
      attention_dropout: 0.1,
      torch_dtype: 'float16',
      pretraining_tp: 2,
      pad_token_id: -1,
      bos_token_id: -1,
      eos_token_id: [2, 3],
    })
    const { bos: _bos, ...others } = usual
    expect(await readLlamaConfig(folder)).toEqual(others)
    await writeConfig(folder, { num_key_value_heads: undefined, eos_token_id: [] })
    expect(await readLlamaConfig(folder)).toMatchObject({ kvHeads: 4, bos: 1 })
    expect(await readLlamaConfig(folder)).not.toHaveProperty('eos')
  })

  it('refuses a tokenizer with more tokens than the model, and a folder without one', async () => {
    await expect(read(fixture, { tokenizer: llamaTokenizer({ size: 301 }) })).rejects.toThrow(
      "the tokenizer has 301 tokens, the model's vocabulary 300",
    )
    await expect(fromPretrained(fixture, { image })).rejects.toThrow(/tokenizer\.json: no such file$/)
    const folder = await llamaFolder()
    await writeFile(join(folder, 'tokenizer.model'), '')
    await expect(fromPretrained(folder, { image })).rejects.toThrow(
      'tokenizer.json: no such file; tokenizer.model is of an older format: AutoTokenizer of transformers reads it',
    )
  })
})
