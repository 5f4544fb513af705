import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { encodeRow } from '../../../../lib/files/gguf/encode_row.js'
import { llamaTensors } from '../../../../lib/models/llama/tensors.js'
import { fromPretrained } from '../../../../lib/models/transfusion/io/from_pretrained.js'
import { initializeFrom } from '../../../../lib/models/transfusion/io/initialize.js'
import { loadModel, saveModel } from '../../../../lib/models/transfusion/io/folder.js'
import type { TransfusionNetwork } from '../../../../lib/models/transfusion/model.js'
import { mayBeQuantised } from '../../../../lib/models/transfusion/weight_storage.js'
import { Trainer } from '../../../../lib/models/transfusion/training/trainer.js'
import type { ParameterArena } from '../../../../lib/nn/arena.js'
import type { Parameter } from '../../../../lib/nn/parameters.js'
import { cast } from '../../../../lib/ops/cast.js'
import { memory } from '../../../../lib/tensor/device.js'
import { makeCaptionTokenizer } from '../../../../lib/tokenizer/caption_tokenizer.js'
import { fromArray } from '../../../../lib/tensor/tensor.js'
import { objectiveSchema } from '../../../../lib/diffusion/objective.js'
import { f32, floats, ggufBytes, type StoredTensor, string, u32 } from '../../../files/gguf/gguf_bytes.js'
import { generator } from '../../../host_array.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { trainedText } from '../text_training.js'
import { perturbedNetwork, tinyConfig } from '../tiny_model.js'
import { llamaTokenizer } from './llama_folder.js'

const tokenizer = makeCaptionTokenizer(['a b c d e f g'])
const objective = objectiveSchema.parse({})
const ids = Int32Array.of(5, 9, 7, 6, 8, 5)

async function valuesOf(arena: ParameterArena, parameter: Parameter): Promise<Float32Array> {
  using values = arena.valuesOf(parameter)
  return values.readFloats()
}

/** Faster than `toEqual`, for many values. */
const bitsOf = (values: Float32Array): string => Buffer.from(values.slice().buffer).toString('base64')

async function allValues({ arena }: TransfusionNetwork): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>()
  for (const parameter of arena.everyParameter) all.set(parameter.name, await valuesOf(arena, parameter))
  return all
}

async function allBits(network: TransfusionNetwork): Promise<[string, string][]> {
  return [...(await allValues(network))].map(([name, values]) => [name, bitsOf(values)])
}

async function savedModel(): Promise<{ folder: string; network: TransfusionNetwork }> {
  const folder = await temporaryFolder()
  const network = await perturbedNetwork({ ...tinyConfig, feedForward: 64 })
  await saveModel(folder, { network, tokenizer, objective })
  return { folder, network }
}

describe('weights that are kept for inference', () => {
  it.each([
    ['bf16', 'bf16', 'bf16'],
    ['int8', 'int8', 'f32'],
    ['int4', 'q4_1', 'f32'],
  ] as const)('%s: matrices are %s, what else there is %s', async (weights, dtype, compute) => {
    const { folder, network } = await savedModel()
    using trained = network
    using model = (await loadModel(folder, { weights })).network
    expect(model.compute).toBe(compute)
    expect(model.arena.parameters).toEqual([])
    for (const [i, parameter] of model.arena.everyParameter.entries()) {
      const kept = mayBeQuantised(parameter) ? dtype : compute
      expect(parameter.tensor.dtype, parameter.name).toBe(kept)
      using values = trained.arena.valuesOf(trained.arena.everyParameter[i]!)
      using rounded = cast(values, kept)
      expect(await valuesOf(model.arena, parameter), parameter.name).toEqual(await rounded.readFloats())
    }
  })

  it('are computed with: logits are near those of f32, nearer with 8 bits than with 4', async () => {
    const { folder, network } = await savedModel()
    using trained = network
    const exact = (await trainedText(trained, ids, false)).logits
    const errorOf = async (weights: 'bf16' | 'int8' | 'int4') => {
      using model = (await loadModel(folder, { weights })).network
      const { logits } = await trainedText(model, ids, false)
      const square = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0)
      return Math.sqrt(square(logits.map((value, i) => value - exact[i]!)) / square(exact))
    }
    const [bf16, int8, int4] = [await errorOf('bf16'), await errorOf('int8'), await errorOf('int4')]
    expect(bf16).toBeLessThan(0.02)
    expect(int8).toBeLessThan(0.03)
    expect(int4).toBeLessThan(0.3)
    expect(int4).toBeGreaterThan(2 * int8)
  })

  it('are kept as floats where a row is not of whole blocks', async () => {
    const folder = await temporaryFolder()
    using network = await perturbedNetwork({ ...tinyConfig, feedForward: 48 })
    await saveModel(folder, { network, tokenizer, objective })
    using model = (await loadModel(folder, { weights: 'int4' })).network
    const dtypeOf = (name: string) => model.arena.everyParameter.find((p) => p.name === name)!.tensor.dtype
    expect(dtypeOf('layers.0.feed_forward.down.weight')).toBe('f32')
    expect(dtypeOf('layers.0.feed_forward.gate_up.weight')).toBe('q4_1')
  })

  it.each(['int8', 'int4'] as const)(
    '%s: are saved as they lie, and widened where that is asked for',
    async (weights) => {
      const { folder, network } = await savedModel()
      network[Symbol.dispose]()
      const quantised = await temporaryFolder()
      const loaded = await loadModel(folder, { weights })
      using model = loaded.network
      const values = await allValues(model)
      await saveModel(quantised, loaded)
      const size = async (folder: string) => (await stat(join(folder, 'model.safetensors'))).size
      expect(await size(quantised)).toBeLessThan(0.75 * (await size(folder)))

      using again = (await loadModel(quantised)).network
      expect(await allValues(again)).toEqual(values)
      expect((await trainedText(again, ids, false)).logits).toEqual(
        (await trainedText(model, ids, false)).logits,
      )
      using widened = (await loadModel(quantised, { weights: 'f32' })).network
      expect(widened.arena.fixed.parameters).toEqual([])
      expect(await allValues(widened)).toEqual(values)

      await expect(loadModel(quantised, { weights: weights === 'int8' ? 'int4' : 'int8' })).rejects.toThrow(
        `its weights are quantised (${weights}) and cannot be kept as`,
      )
      await expect(initializeFrom(quantised)).rejects.toThrow(
        `they are quantised (${weights}), for inference alone`,
      )
    },
  )

  it('are not trained', async () => {
    const { folder, network } = await savedModel()
    network[Symbol.dispose]()
    const model = await loadModel(folder, { weights: 'int8' })
    using _ = model.network
    const data = async function* () {}
    expect(() => new Trainer(model, data as never, { steps: 1, learningRate: 1e-3 } as never)).toThrow(
      'Trainer: the model was loaded for inference',
    )
  })

  it('are refused where they are of no kind, or not computed with', async () => {
    const { folder, network } = await savedModel()
    network[Symbol.dispose]()
    await expect(loadModel(folder, { weights: 'int3' as never })).rejects.toThrow(
      'Transfusion.load: weights must be one of f32, bf16, int8, int4, stored, received "int3"',
    )
    await expect(loadModel(folder, { weights: 'bf16', compute: 'f32' })).rejects.toThrow(
      'weights of bf16 are computed with in bf16, received compute "f32"',
    )
  })

  it('take what they are counted as, and free it', async () => {
    const { folder, network } = await savedModel()
    network[Symbol.dispose]()
    const before = memory().live
    const { network: model } = await loadModel(folder, { weights: 'int8' })
    const bytes = model.arena.everyParameter.reduce((sum, { tensor }) => sum + tensor.bytes, 0)
    expect(memory().live - before).toBeLessThan(bytes + 64 * (model.arena.everyParameter.length + 8))
    model[Symbol.dispose]()
    expect(memory().live).toBe(before)
  })
})

/** A Llama of one layer in blocks of several types, as llama.cpp's mixtures have them. */
describe('the blocks of a GGUF', () => {
  const llama = {
    vocabulary: 97,
    layers: 1,
    channels: 256,
    heads: 4,
    kvHeads: 2,
    feedForward: 256,
    ropeTheta: 10_000,
    normEps: 1e-5,
    tied: true,
  }
  const names: Readonly<Record<string, string>> = {
    'embedding.weight': 'token_embd.weight',
    'norm.weight': 'output_norm.weight',
    input_layernorm: 'attn_norm',
    q_proj: 'attn_q',
    k_proj: 'attn_k',
    v_proj: 'attn_v',
    o_proj: 'attn_output',
    post_attention_layernorm: 'ffn_norm',
    gate_proj: 'ffn_gate',
    up_proj: 'ffn_up',
    down_proj: 'ffn_down',
  }
  const numbers = { q8_0: 8, q4_1: 3, q4_k: 12, q6_k: 14 } as const

  async function writeGguf(typeOf: (name: string) => keyof typeof numbers): Promise<string> {
    const next = generator(3)
    const parts = ['attention_norm', 'attention.qkv', 'attention.output', 'feed_forward_norm']
      .concat('feed_forward.gate_up', 'feed_forward.down')
      .map((part) => `layers.0.${part}.weight`)
    const tensors: Record<string, StoredTensor> = {}
    for (const parameter of ['embedding.weight', ...parts, 'norm.weight'])
      for (const { name, shape } of llamaTensors(parameter, llama)!) {
        const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() - 0.5)
        const part = /\.(\w+)\.weight$/.exec(name)![1]!
        const stored = names[parameter] ?? `blk.0.${names[part]}.weight`
        tensors[stored] =
          shape.length === 1 ? floats(shape, values) : await blocks(typeOf(stored), shape, values)
      }
    const metadata = {
      'general.architecture': string('llama'),
      'llama.block_count': u32(1),
      'llama.context_length': u32(256),
      'llama.embedding_length': u32(256),
      'llama.feed_forward_length': u32(256),
      'llama.attention.head_count': u32(4),
      'llama.attention.head_count_kv': u32(2),
      'llama.attention.layer_norm_rms_epsilon': f32(1e-5),
      'llama.rope.freq_base': f32(10_000),
      'tokenizer.ggml.bos_token_id': u32(1),
      'tokenizer.ggml.eos_token_id': u32(2),
    }
    const path = join(await temporaryFolder(), 'model.gguf')
    await writeFile(path, ggufBytes(Object.entries(metadata), tensors))
    return path
  }

  async function blocks(
    type: keyof typeof numbers,
    shape: readonly number[],
    values: Float32Array,
  ): Promise<StoredTensor> {
    if (type === 'q4_k' || type === 'q6_k')
      return { type: numbers[type], shape, bytes: encodeRow(type, values) }
    using wide = fromArray(values, shape)
    using quantised = cast(wide, type)
    return { type: numbers[type], shape, bytes: await quantised.readBytes() }
  }

  const read = (path: string, weights?: 'stored') =>
    fromPretrained(path, {
      image: { channels: 1, patch: 2, height: 2, width: 2 },
      tokenizer: llamaTokenizer({ size: 97, images: false }),
      ...(weights && { weights }),
    })

  it.each<[string, (name: string) => keyof typeof numbers, Record<string, string[]>]>([
    ['one type', () => 'q4_1', { 'embedding.weight': ['q4_1'], 'layers.0.attention.qkv.weight': ['q4_1'] }],
    [
      'a mixture, whose merged matrices are in parts',
      (name) => (/ffn_down|attn_v|token_embd/.test(name) ? 'q6_k' : /ffn_up/.test(name) ? 'q8_0' : 'q4_k'),
      {
        'embedding.weight': ['q6_k'],
        'layers.0.attention.qkv.weight': ['q4_k', 'q4_k', 'q6_k'],
        'layers.0.feed_forward.gate_up.weight': ['q4_k', 'q8_0'],
        'layers.0.feed_forward.down.weight': ['q6_k'],
      },
    ],
    ['4-bit embeddings', () => 'q4_k', { 'embedding.weight': ['q4_k'] }],
  ])('lie as they are: %s', async (_, typeOf, expected) => {
    const path = await writeGguf(typeOf)
    const model = await read(path, 'stored')
    using network = model.network
    const { arena } = network
    const named = (name: string) => arena.everyParameter.find((parameter) => parameter.name === name)!
    for (const [name, dtypes] of Object.entries(expected))
      expect(
        arena.fixed.partsOf(named(name)).map(({ dtype }) => dtype),
        name,
      ).toEqual(dtypes)
    // Tied: in memory once.
    expect(named('output.weight').tensor).toBe(named('embedding.weight').tensor)

    using widened = (await read(path)).network
    const given = 97 * 256
    const [kept, wide] = [await allValues(network), await allValues(widened)]
    for (const [name, values] of wide) {
      const isGrown = name === 'embedding.weight' || name === 'output.weight'
      if (name.startsWith('patch_')) continue
      const end = isGrown ? given : undefined
      expect(bitsOf(kept.get(name)!.subarray(0, end)), name).toBe(bitsOf(values.subarray(0, end)))
      // Rows of BOI and EOI: the mean of the others, rounded as they are.
      if (!isGrown) continue
      const largest = Math.max(...values.subarray(given).map(Math.abs))
      kept
        .get(name)!
        .subarray(given)
        .forEach((value, i) => {
          expect(Math.abs(value - values[given + i]!)).toBeLessThan(largest / 6)
        })
    }
    const tokens = Int32Array.of(1, 44, 90, 3, 17)
    const exact = (await trainedText(widened, tokens, false)).logits
    const { logits } = await trainedText(network, tokens, false)
    const square = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0)
    expect(square(logits.map((value, i) => value - exact[i]!)) / square(exact)).toBeLessThan(0.03 ** 2)

    const folder = await temporaryFolder()
    await saveModel(folder, model)
    using again = (await loadModel(folder)).network
    expect(await allBits(again)).toEqual(await allBits(network))
    expect((await trainedText(again, tokens, false)).logits).toEqual(logits)
    using trainable = (await loadModel(folder, { weights: 'f32' })).network
    expect(await allBits(trainable)).toEqual(await allBits(network))
  })
})
