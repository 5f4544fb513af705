import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../../../lib/tokenizer/caption_tokenizer.js'
import { readSafetensors } from '../../../../lib/files/safetensors/safetensors.js'
import { Transfusion } from '../../../../lib/transfusion.js'
import { fromPretrained } from '../../../../lib/models/transfusion/io/from_pretrained.js'
import { toLlama } from '../../../../lib/models/transfusion/io/to_llama.js'
import { command } from '../../../cli/command.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { fixture, llamaTokenizer } from './llama_folder.js'

const image = { channels: 1 as const, patch: 2, height: 4, width: 4 }
const sizes = { layers: 2, channels: 48, heads: 4, kvHeads: 2, feedForward: 40, ropeTheta: 20_000, image }
const tokenizer = makeCaptionTokenizer(['a red bag'])

const jsonOf = async (folder: string, name: string) => JSON.parse(await readFile(join(folder, name), 'utf8'))

/** By name, without the image parts. */
async function textWeights({ network: { arena } }: Pick<Transfusion, 'network'>) {
  const values = new Map<string, Float32Array>()
  for (const parameter of arena.parameters) {
    if (parameter.name.startsWith('patch_')) continue
    using tensor = arena.valuesOf(parameter)
    values.set(parameter.name, await tensor.readFloats())
  }
  return values
}

describe('toLlama', () => {
  it('is read again by fromPretrained to the bit, with the same ids and sizes', async () => {
    using model = Transfusion.create(sizes, tokenizer, { seed: 3 })
    const folder = join(await temporaryFolder(), 'llama')
    await model.toLlama(folder)
    using again = await Transfusion.fromPretrained(folder, { image })
    expect(again.network.config).toEqual(model.network.config)
    expect(await again.tokenizer.encode('red bag')).toEqual(await tokenizer.encode('red bag'))
    expect(await textWeights(again)).toEqual(await textWeights(model))
    expect((await readdir(folder)).toSorted()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    expect(await jsonOf(folder, 'config.json')).toMatchObject({
      architectures: ['LlamaForCausalLM'],
      vocab_size: tokenizer.vocabularySize,
      num_key_value_heads: 2,
      head_dim: 12,
      rope_theta: 20_000,
      rope_parameters: { rope_type: 'default', rope_theta: 20_000 },
      bos_token_id: tokenizer.bos,
      eos_token_id: tokenizer.eos,
      torch_dtype: 'float32',
    })
    expect(await jsonOf(folder, 'tokenizer_config.json')).toMatchObject({
      bos_token: '<s>',
      eos_token: '</s>',
      unk_token: '<unk>',
    })
  })

  it("gives a Llama's own tensors back, under their names", async () => {
    const { network } = await fromPretrained(fixture, { image, tokenizer: llamaTokenizer({ images: true }) })
    using own = network
    const folder = await temporaryFolder()
    await toLlama(folder, { network: own, tokenizer: llamaTokenizer({ images: true }) })
    const [written, given] = await Promise.all(
      [folder, fixture].map((folder) => readSafetensors(join(folder, 'model.safetensors'))),
    )
    expect(written!.tensors.size).toBe(given!.tensors.size)
    for (const [name, tensor] of given!.tensors) expect(written!.tensors.get(name)).toEqual(tensor)
    expect(written!.metadata).toEqual({ format: 'pt' })
  })

  it('rounds to bf16 where asked', async () => {
    using model = Transfusion.create(sizes, tokenizer)
    const folder = await temporaryFolder()
    await model.toLlama(folder, { precision: 'bf16' })
    const { tensors } = await readSafetensors(join(folder, 'model.safetensors'))
    const embedding = (await textWeights(model)).get('embedding.weight')!
    const { dtype, data } = tensors.get('model.embed_tokens.weight')!
    expect(dtype).toBe('bf16')
    const widened = new Float32Array(Uint32Array.from(data as Uint16Array, (bits) => bits << 16).buffer)
    widened.forEach((value, i) =>
      expect(Math.abs(value - embedding[i]!)).toBeLessThanOrEqual(2 ** -8 * Math.abs(embedding[i]!)),
    )
    expect((await jsonOf(folder, 'config.json')).torch_dtype).toBe('bfloat16')
  })

  it('takes no place of a model of ours', async () => {
    using model = Transfusion.create(sizes, tokenizer)
    const folder = await temporaryFolder()
    await model.save(folder)
    await expect(model.toLlama(folder)).rejects.toThrow(`${folder}: holds a Transfusion model`)
    using same = await Transfusion.load(folder)
    expect(same.parameterCount).toBe(model.parameterCount)

    await writeFile(join(folder, 'config.json'), '{"architecture": ')
    await expect(model.toLlama(folder)).rejects.toThrow(/config\.json: .*; nothing is written over it/)

    const llama = await temporaryFolder()
    await model.toLlama(llama)
    await model.toLlama(llama, { precision: 'bf16' })
    expect((await jsonOf(llama, 'config.json')).torch_dtype).toBe('bfloat16')
  })

  it('is a command', async () => {
    using model = Transfusion.create(sizes, tokenizer)
    const cwd = await temporaryFolder()
    await model.save(join(cwd, 'model'))
    const result = await command(['export', 'model', 'llama'], { cwd })
    expect(result).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('llama: a Llama of 2 layers and'),
    })
    using again = await Transfusion.fromPretrained(join(cwd, 'llama'), { image })
    expect(await textWeights(again)).toEqual(await textWeights(model))
    using normed = Transfusion.create({ ...sizes, qkNorm: true }, tokenizer)
    await normed.save(join(cwd, 'normed'))
    expect((await command(['export', 'normed', 'qwen'], { cwd })).stdout).toContain(
      'qwen: a Qwen3 of 2 layers',
    )
    expect(await command(['export', 'model', 'model'], { cwd })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('model: holds a Transfusion model'),
    })
  })
})
