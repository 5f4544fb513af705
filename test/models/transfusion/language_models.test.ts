/** Checkpoints of other families than the first Llama, and what transformers makes of them (test/fixtures/language-models). */
import { copyFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readSafetensors } from '../../../lib/files/safetensors/safetensors.js'
import { readLlamaConfig } from '../../../lib/models/llama/config.js'
import { llamaTensors } from '../../../lib/models/llama/tensors.js'
import { fromPretrained } from '../../../lib/models/transfusion/io/from_pretrained.js'
import { loadModel, saveModel } from '../../../lib/models/transfusion/io/folder.js'
import { toLlama } from '../../../lib/models/transfusion/io/to_llama.js'
import { ropeFrequencies } from '../../../lib/nn/rope_frequencies.js'
import { compare } from '../../check_op.js'
import { completion } from '../../generation/completion.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { llamaTokenizer } from './io/llama_folder.js'
import { textGradients, trainedText } from './text_training.js'

const fixtures = fileURLToPath(new URL('../../fixtures/language-models', import.meta.url))
const names = (await readdir(fixtures, { withFileTypes: true })).filter((e) => e.isDirectory())
const image = { channels: 1, patch: 2, height: 2, width: 2 }
const vocabulary = 97

/** With rows of its own for BOI and EOI beyond the checkpoint's, or, for its loss, with the last two in their place. */
const read = (folder: string, { grown }: { grown: boolean }) =>
  fromPretrained(folder, { image, tokenizer: llamaTokenizer({ size: vocabulary, images: !grown }) })

/** The logits of the checkpoint's own tokens. */
const ownLogits = (logits: Float32Array) => logits.filter((_, i) => i % (vocabulary + 2) < vocabulary)

describe.each(names.map(({ name }) => name))('a checkpoint of transformers: %s', async (name) => {
  const folder = join(fixtures, name)
  const json = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8'))
  const { tensors } = await readSafetensors(join(folder, 'expected.safetensors'))
  const floats = (tensor: string) => tensors.get(tensor)!.data as Float32Array
  const ids = tensors.get('ids')!.data as Int32Array

  it('has its logits, loss and gradients', async () => {
    using network = (await read(folder, { grown: false })).network
    const { logits, loss } = await trainedText(network, ids)
    compare('logits', logits, floats('float64.logits'), 'f32')
    compare('loss', [loss!], [json.loss_float64], 'f32', 'elementwise')
    const config = await readLlamaConfig(folder)
    const gradients = await textGradients(network)
    if (config.tied) {
      // Two matrices here: the gradient of the one that is both is the sum of theirs.
      const output = gradients.get('output.weight')!
      const both = gradients.get('embedding.weight')!.map((value, i) => value + output[i]!)
      gradients.set('embedding.weight', both)
      gradients.delete('output.weight')
    }
    for (const [parameter, gradient] of gradients) {
      const parts = llamaTensors(parameter, config)!.map(({ name }) => floats(`grad.${name}`))
      const wanted = Float32Array.from(parts.flatMap((part) => [...part]))
      compare(`gradient of ${parameter}`, gradient, wanted, 'f32')
    }
    const expected = [...tensors.keys()].filter((tensor) => tensor.startsWith('grad.'))
    const compared = [...gradients.keys()].flatMap((parameter) => llamaTensors(parameter, config)!)
    expect(compared.length).toBe(expected.length)
  })

  it('continues greedily as transformers', async () => {
    using network = (await read(folder, { grown: true })).network
    for (const { first, ids } of json.greedy as { first: number; ids: number[] }[]) {
      const prompt = ids.slice(0, first)
      const following = await completion(network, [{ type: 'text', ids: prompt }], ids.length - first)
      expect([...prompt, ...following]).toEqual(ids)
    }
  })

  it('has the frequencies of transformers', async () => {
    const {
      channels,
      heads,
      headSize = channels / heads,
      ropeTheta,
      ropeScaling,
    } = await readLlamaConfig(folder)
    const { frequencies, attentionFactor } = ropeFrequencies(headSize, ropeTheta, ropeScaling)
    frequencies.forEach((frequency, i) => expect(frequency / json.inverse_frequencies[i]).toBeCloseTo(1, 6))
    expect(attentionFactor).toBeCloseTo(json.rotary_factor, 12)
  })

  it('means the same in the config of transformers 4', async () => {
    const older = await temporaryFolder()
    await copyFile(join(folder, 'config.v4.json'), join(older, 'config.json'))
    expect(await readLlamaConfig(older)).toEqual(await readLlamaConfig(folder))
  })

  it('is the same when it is saved, and when it is written back', async () => {
    const model = await read(folder, { grown: true })
    using network = model.network
    const { logits } = await trainedText(network, ids, false)
    compare('logits', ownLogits(logits), floats('float64.logits'), 'f32')
    const [saved, written] = [await temporaryFolder(), await temporaryFolder()]
    await saveModel(saved, model)
    await toLlama(written, model)
    using loaded = (await loadModel(saved)).network
    expect(loaded.config).toEqual(network.config)
    expect((await trainedText(loaded, ids, false)).logits).toEqual(logits)
    using again = (await fromPretrained(written, { image })).network
    expect(again.config).toEqual(network.config)
    expect((await trainedText(again, ids, false)).logits).toEqual(logits)
  })
})
