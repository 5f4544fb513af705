import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { backward } from '../../../lib/autograd/tape.js'
import { readSafetensors, type SafetensorsTensor } from '../../../lib/files/safetensors/safetensors.js'
import { readLlamaConfig } from '../../../lib/models/llama/config.js'
import { llamaTensors } from '../../../lib/models/llama/tensors.js'
import { uploadAttentionMetadata } from '../../../lib/nn/attention_metadata.js'
import { fromLlama } from '../../../lib/models/transfusion/io/from_llama.js'
import type { TransfusionNetwork } from '../../../lib/models/transfusion/model.js'
import { crossEntropy } from '../../../lib/ops/cross_entropy.js'
import { mean } from '../../../lib/ops/reduce.js'
import { buildMetadata, sequenceStart } from '../../../lib/sequence/metadata.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray } from '../../../lib/tensor/tensor.js'
import { compare } from '../../check_op.js'
import { completion } from '../../generation/completion.js'
import { fixture, llamaTokenizer } from './io/llama_folder.js'

const expectedJson = JSON.parse(await readFile(join(fixture, 'expected.json'), 'utf8'))
const { tensors: expected } = await readSafetensors(join(fixture, 'expected.safetensors'))
const ids = expected.get('ids')!.data as Int32Array

const joined = (tensors: ReadonlyMap<string, SafetensorsTensor>, names: readonly string[]) =>
  Float32Array.from(names.flatMap((name) => [...(tensors.get(name)!.data as Float32Array)]))

const config = await readLlamaConfig(fixture)
const image = { channels: 1, patch: 2, height: 2, width: 2 }
const llama = async () =>
  (await fromLlama(fixture, { image, tokenizer: llamaTokenizer({ images: true }) })).network

const textParameters = ({ arena }: TransfusionNetwork) =>
  arena.parameters.filter(({ name }) => !name.startsWith('patch_'))

const text = (values: Iterable<number>) => ({ type: 'text' as const, ids: [...values] })

describe('the transformer, with the weights of a Llama checkpoint', () => {
  it('gives the logits, the loss and the gradients of transformers', async () => {
    using network = await llama()
    void network.arena.gradients
    const rows = Int32Array.of(0, ids.length)
    const layout = {
      ...buildMetadata([{ spans: [text(ids)], start: sequenceStart, keyStart: 0 }], { patch: 2 }),
      queryRows: rows,
      keyRows: rows,
    }
    const { logits, loss } = scope(() => {
      const hidden = network.forward(uploadAttentionMetadata(layout, network.config.image)).hidden
      const logits = network.logits(hidden, fromArray(Int32Array.from(ids.keys())))
      const predicting = network.logits(hidden, fromArray(Int32Array.from(ids.keys()).subarray(0, -1)))
      const loss = mean(crossEntropy(predicting, fromArray(ids.slice(1))))
      backward(loss)
      return { logits, loss }
    })
    compare('logits', await logits.readFloats(), expected.get('logits')!.data as Float32Array, 'f32')
    compare('loss', await loss.readFloats(), [expectedJson.loss], 'f32', 'elementwise')
    for (const parameter of textParameters(network)) {
      const names = llamaTensors(parameter.name, config)!.map(({ name }) => `grad.${name}`)
      const gradient = await parameter.tensor.gradientTarget!.gradient.readFloats()
      compare(`gradient of ${parameter.name}`, gradient, joined(expected, names), 'f32')
    }
    for (const tensor of [logits, loss]) tensor.free()
  })

  it('continues greedily, with a cache, as transformers', async () => {
    using network = await llama()
    const prompt = ids.subarray(0, 9)
    const wanted: number[] = expectedJson.greedy_from_first_9
    const following = await completion(network, [text(prompt)], wanted.length - prompt.length)
    expect([...prompt, ...following]).toEqual(wanted)
  })
})
