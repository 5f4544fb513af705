/** Adapters of Hugging Face's PEFT, and what it makes of them (test/fixtures/peft). */
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readSafetensors, writeSafetensors } from '../../../../lib/files/safetensors/safetensors.js'
import { llamaTensors } from '../../../../lib/models/llama/tensors.js'
import type { TransfusionOptions } from '../../../../lib/models/transfusion/config.js'
import { saveModel } from '../../../../lib/models/transfusion/io/folder.js'
import type { FromPretrainedOptions } from '../../../../lib/models/transfusion/io/from_pretrained.js'
import { llamaConfigOf } from '../../../../lib/models/transfusion/io/to_llama.js'
import { Transfusion } from '../../../../lib/transfusion.js'
import { compare } from '../../../check_op.js'
import { command } from '../../../cli/command.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { textGradients, trainedText } from '../text_training.js'
import { llamaTokenizer } from './llama_folder.js'

const fixtures = fileURLToPath(new URL('../../../fixtures', import.meta.url))
const base = join(fixtures, 'language-models', 'llama-bias')
const peft = (name: string) => join(fixtures, 'peft', name)
const image: TransfusionOptions['image'] = { channels: 1, patch: 2, height: 2, width: 2 }

const load = (options: Partial<FromPretrainedOptions> = {}) =>
  Transfusion.fromPretrained(base, {
    image,
    tokenizer: llamaTokenizer({ size: 97, images: true }),
    ...options,
  })

async function expected(name: string) {
  const { tensors } = await readSafetensors(join(peft(name), 'expected.safetensors'))
  const floats = (tensor: string) => Float32Array.from(tensors.get(tensor)!.data as Float32Array)
  return { ids: tensors.get('ids')!.data as Int32Array, floats, names: [...tensors.keys()] }
}

/** The factors of a model by PEFT's names of them. */
function factorsByName({ network: { arena, config } }: Transfusion) {
  const llama = llamaConfigOf(config)
  return new Map(
    arena.everyParameter.flatMap(({ name, update }) =>
      (update?.factors ?? []).flatMap(({ a, b }, i) => {
        const module = llamaTensors(name, llama)![i]!.name.replace(/\.weight$/, '')
        const named = (of: string) => `base_model.model.${module}.lora_${of}.weight`
        return [[named('A'), a] as const, [named('B'), b] as const]
      }),
    ),
  )
}

/** A model with the factors of the adapter `lora`, to be trained. */
async function adaptedModel(): Promise<Transfusion> {
  const model = await load({ lora: { rank: 4, alpha: 6 }, freeze: 'text' })
  const { tensors } = await readSafetensors(join(peft('lora'), 'adapter_model.safetensors'))
  const factors = factorsByName(model)
  expect([...factors.keys()].toSorted()).toEqual([...tensors.keys()].toSorted())
  const { arena } = model.network
  for (const [name, parameter] of factors) arena.write(parameter, tensors.get(name)!.data as Float32Array)
  arena.updated()
  return model
}

describe('low-rank updates', () => {
  it('have the logits, loss and gradients of PEFT', async () => {
    using model = await adaptedModel()
    const { ids, floats, names } = await expected('lora')
    const { logits, loss } = await trainedText(model.network, ids)
    compare('logits', logits, floats('logits'), 'f32')
    compare('loss', [loss!], floats('loss'), 'f32', 'elementwise')
    const gradients = await textGradients(model.network)
    const factors = factorsByName(model)
    expect(gradients.size).toBe(factors.size)
    expect(names.filter((name) => name.startsWith('grad.'))).toHaveLength(factors.size)
    for (const [name, { name: own }] of factors)
      compare(`gradient of ${name}`, gradients.get(own)!, floats(`grad.${name}`), 'f32')
  })

  it('are written as PEFT has written them', async () => {
    using model = await adaptedModel()
    const folder = join(await temporaryFolder(), 'adapter')
    await model.saveAdapter(folder)
    const file = 'adapter_model.safetensors'
    expect(await readSafetensors(join(folder, file))).toEqual(await readSafetensors(join(peft('lora'), file)))
    const [own, its] = await Promise.all(
      [folder, peft('lora')].map(async (path) =>
        JSON.parse(await readFile(join(path, 'adapter_config.json'), 'utf8')),
      ),
    )
    const { target_modules: modules, base_model_name_or_path: _, ...rest } = own
    expect(its).toMatchObject(rest)
    expect(modules.toSorted()).toEqual(its.target_modules.toSorted())
  })

  it('name their layers in full where not all of a kind have any', async () => {
    using model = await load({ lora: { targets: ['layers.1.attention.qkv', 'down'] } })
    const folder = join(await temporaryFolder(), 'adapter')
    await model.saveAdapter(folder)
    const { target_modules } = JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8'))
    expect(target_modules).toEqual([
      'model.layers.0.mlp.down_proj',
      ...['q_proj', 'k_proj', 'v_proj'].map((name) => `model.layers.1.self_attn.${name}`),
      'model.layers.1.mlp.down_proj',
    ])
  })
})

describe('transfusion export', () => {
  it('writes the adapter of a checkpoint, and merges one', async () => {
    const cwd = await temporaryFolder()
    using model = await adaptedModel()
    await saveModel(join(cwd, 'checkpoint'), model, 'f32', undefined, false)
    using plain = await load()
    await plain.save(join(cwd, 'plain'))
    expect(await command(['export', 'checkpoint', 'adapter', '--adapter'], { cwd })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('adapter: a LoRA adapter of rank 4'),
    })
    const file = 'adapter_model.safetensors'
    expect(await readSafetensors(join(cwd, 'adapter', file))).toEqual(
      await readSafetensors(join(peft('lora'), file)),
    )
    expect(await command(['export', 'plain', 'merged', '--merge', 'adapter'], { cwd })).toMatchObject({
      code: 0,
    })
    using merged = await Transfusion.fromPretrained(join(cwd, 'merged'), { image })
    const { ids, floats } = await expected('lora')
    compare('logits', (await trainedText(merged.network, ids, false)).logits, floats('logits'), 'f32')
    expect(await command(['export', 'plain', 'other', '--adapter'], { cwd })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('plain: has no low-rank updates'),
    })
  })
})

describe('an adapter of PEFT', () => {
  it.each(['lora', 'rslora'])('is merged with its logits: %s', async (name) => {
    const { ids, floats } = await expected(name)
    using model = await load()
    await model.mergeAdapter(peft(name))
    compare('logits', (await trainedText(model.network, ids, false)).logits, floats('logits'), 'f32')
    using begun = await load({ adapter: peft(name), freeze: 'text' })
    compare('logits', (await trainedText(begun.network, ids, false)).logits, floats('logits'), 'f32')
  })

  it('is where images begin with, too', async () => {
    using model = await load({ adapter: peft('lora'), image: { ...image, weights: 'all' } })
    const values = async (name: string) => {
      using tensor = model.network.arena.valuesOf(
        model.network.arena.everyParameter.find((parameter) => parameter.name === name)!,
      )
      return tensor.readFloats()
    }
    for (const name of ['attention.qkv', 'feed_forward.down'])
      expect(await values(`layers.1.image.${name}.weight`)).toEqual(await values(`layers.1.${name}.weight`))
  })

  /** The fixture's folder with another config, or other tensors. */
  async function changed(change: object, rename: (name: string) => string = (name) => name) {
    const folder = await temporaryFolder()
    const config = JSON.parse(await readFile(join(peft('lora'), 'adapter_config.json'), 'utf8'))
    await writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ ...config, ...change }))
    const { tensors } = await readSafetensors(join(peft('lora'), 'adapter_model.safetensors'))
    const renamed = [...tensors].map(([name, tensor]) => [rename(name), tensor] as const)
    await writeSafetensors(join(folder, 'adapter_model.safetensors'), new Map(renamed))
    return folder
  }

  it.each<[object, RegExp]>([
    [{ use_dora: true }, /use_dora: expected none: DoRA/],
    [{ bias: 'all' }, /bias: expected "none"/],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save: expected none: modules that were trained whole/],
    [{ rank_pattern: { q_proj: 2 } }, /rank_pattern: expected none/],
    [{ init_lora_weights: 'pissa' }, /init_lora_weights: expected one of true, false, gaussian/],
    [{ peft_type: 'IA3' }, /peft_type: expected "LORA"/],
    [{ r: 5 }, /down_proj\.lora_A\.weight" must be .* of shape \[.*5.*\], it is F32 of \[.*4.*\]/],
  ])('is refused by name: %j', async (change, message) => {
    using model = await load()
    await expect(model.mergeAdapter(await changed(change))).rejects.toThrow(message)
  })

  it('is refused where it has updates of what this model has not, or not the whole of one', async () => {
    using model = await load()
    const { ids } = await expected('lora')
    const before = (await trainedText(model.network, ids, false)).logits
    const renaming = (from: string, to: string) => changed({}, (name) => name.replace(from, to))
    await expect(model.mergeAdapter(await renaming('layers.1', 'layers.2'))).rejects.toThrow(
      /"base_model\.model\.model\.layers\.2\.\S+" is no update of .* of layers 0 to 1/,
    )
    await expect(
      model.mergeAdapter(
        await renaming('layers.1.mlp.up_proj.lora_A', 'layers.1.mlp.up_proj.lora_magnitude'),
      ),
    ).rejects.toThrow(/lora_magnitude\.weight" is no update/)
    const folder = await temporaryFolder()
    await copyFile(join(peft('lora'), 'adapter_config.json'), join(folder, 'adapter_config.json'))
    await expect(model.mergeAdapter(folder)).rejects.toThrow(
      /adapter_model\.safetensors: there is no such file; model\.save_pretrained/,
    )
    expect((await trainedText(model.network, ids, false)).logits).toEqual(before)
    await expect(model.saveAdapter(folder)).rejects.toThrow(/^saveAdapter: the model has no low-rank updates/)
  })
})
