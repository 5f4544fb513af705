import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSafetensors, type SafetensorsTensor } from '../../../lib/files/safetensors/safetensors.js'
import { readLlamaConfig } from '../../../lib/models/llama/config.js'
import { llamaTensors } from '../../../lib/models/llama/tensors.js'
import { fromPretrained } from '../../../lib/models/transfusion/io/from_pretrained.js'
import { compare } from '../../check_op.js'
import { completion } from '../../generation/completion.js'
import { fixture, llamaTokenizer } from './io/llama_folder.js'
import { textGradients, trainedText } from './text_training.js'

const expectedJson = JSON.parse(await readFile(join(fixture, 'expected.json'), 'utf8'))
const { tensors: expected } = await readSafetensors(join(fixture, 'expected.safetensors'))
const ids = expected.get('ids')!.data as Int32Array

const joined = (tensors: ReadonlyMap<string, SafetensorsTensor>, names: readonly string[]) =>
  Float32Array.from(names.flatMap((name) => [...(tensors.get(name)!.data as Float32Array)]))

const config = await readLlamaConfig(fixture)
const image = { channels: 1, patch: 2, height: 2, width: 2 }
const llama = async () =>
  (await fromPretrained(fixture, { image, tokenizer: llamaTokenizer({ images: true }) })).network

describe('the transformer, with the weights of a Llama checkpoint', () => {
  it('gives the logits, the loss and the gradients of transformers', async () => {
    using network = await llama()
    const { logits, loss } = await trainedText(network, ids)
    compare('logits', logits, expected.get('logits')!.data as Float32Array, 'f32')
    compare('loss', [loss!], [expectedJson.loss], 'f32', 'elementwise')
    for (const [name, gradient] of await textGradients(network)) {
      const names = llamaTensors(name, config)!.map(({ name }) => `grad.${name}`)
      compare(`gradient of ${name}`, gradient, joined(expected, names), 'f32')
    }
  })

  it('continues greedily, with a cache, as transformers', async () => {
    using network = await llama()
    const prompt = ids.subarray(0, 9)
    const wanted: number[] = expectedJson.greedy_from_first_9
    const following = await completion(
      network,
      [{ type: 'text', ids: [...prompt] }],
      wanted.length - prompt.length,
    )
    expect([...prompt, ...following]).toEqual(wanted)
  })
})
