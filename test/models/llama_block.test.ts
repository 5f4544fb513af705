import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { backward } from '../../lib/autograd/tape.js'
import { readSafetensors } from '../../lib/data/safetensors.js'
import { Decoder } from '../../lib/generation/decoder.js'
import { uploadLayout } from '../../lib/models/transfusion/device_layout.js'
import { TransfusionNetwork } from '../../lib/models/transfusion/model.js'
import { crossEntropy } from '../../lib/ops/cross_entropy.js'
import { mean } from '../../lib/ops/reduce.js'
import { layoutRuns, sequenceStart } from '../../lib/sequence/layout.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'

const folder = new URL('../fixtures/llama/', import.meta.url).pathname
const json = async (name: string) => JSON.parse(await readFile(`${folder}${name}`, 'utf8'))
const config = await json('config.json')
const expectedJson = await json('expected.json')
const { tensors: weights } = await readSafetensors(`${folder}model.safetensors`)
const { tensors: expected } = await readSafetensors(`${folder}expected.safetensors`)
const ids = expected.get('ids')!.data as Int32Array

/** The checkpoint's names for each of our parameters of the transformer: concatenated along the outputs. */
function theirNames(name: string): string[] {
  const block = /^layers\.(\d+)\.(.+)\.weight$/.exec(name)
  const inBlock: Record<string, string[]> = {
    attention_norm: ['input_layernorm'],
    'attention.qkv': ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
    'attention.output': ['self_attn.o_proj'],
    feed_forward_norm: ['post_attention_layernorm'],
    'feed_forward.gate_up': ['mlp.gate_proj', 'mlp.up_proj'],
    'feed_forward.down': ['mlp.down_proj'],
  }
  if (block) return inBlock[block[2]!]!.map((part) => `model.layers.${block[1]}.${part}.weight`)
  const outside: Record<string, string> = {
    'embedding.weight': 'model.embed_tokens.weight',
    'norm.weight': 'model.norm.weight',
    'output.weight': 'lm_head.weight',
  }
  return [outside[name]!]
}

const joined = (tensors: typeof weights, names: readonly string[]) =>
  Float32Array.from(names.flatMap((name) => [...(tensors.get(name)!.data as Float32Array)]))

function llama(): TransfusionNetwork {
  const network = new TransfusionNetwork({
    vocabulary: config.vocab_size,
    tokens: { end: 2, boi: 298, eoi: 299 },
    layers: config.num_hidden_layers,
    channels: config.hidden_size,
    heads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads,
    feedForward: config.intermediate_size,
    ropeTheta: config.rope_parameters.rope_theta,
    normEps: config.rms_norm_eps,
    image: { channels: 1, patch: 2, height: 2, width: 2 },
  })
  for (const parameter of textParameters(network)) {
    using values = network.arena.valuesOf(parameter)
    values.write(joined(weights, theirNames(parameter.name)))
  }
  network.arena.updated()
  return network
}

const textParameters = ({ arena }: TransfusionNetwork) =>
  arena.parameters.filter(({ name }) => !name.startsWith('patch_'))

const text = (values: Iterable<number>) => ({ type: 'text' as const, ids: [...values] })

describe('the transformer, with the weights of a Llama checkpoint', () => {
  it('gives the logits, the loss and the gradients of transformers', async () => {
    using network = llama()
    void network.arena.gradients
    const rows = Int32Array.of(0, ids.length)
    const layout = {
      ...layoutRuns([{ spans: [text(ids)], start: sequenceStart, keyStart: 0 }], 2),
      queryRows: rows,
      keyRows: rows,
    }
    const { logits, loss } = scope(() => {
      const hidden = network.hidden(uploadLayout(layout))
      const logits = network.logits(hidden, fromArray(Int32Array.from(ids.keys())))
      const predicting = network.logits(hidden, fromArray(Int32Array.from(ids.keys()).subarray(0, -1)))
      const loss = mean(crossEntropy(predicting, fromArray(ids.slice(1))))
      backward(loss)
      return { logits, loss }
    })
    compare('logits', await logits.readFloats(), expected.get('logits')!.data as Float32Array, 'f32')
    compare('loss', await loss.readFloats(), [expectedJson.loss], 'f32', 'elementwise')
    for (const parameter of textParameters(network)) {
      const names = theirNames(parameter.name).map((name) => `grad.${name}`)
      const gradient = await parameter.tensor.gradientTarget!.gradient.readFloats()
      compare(`gradient of ${parameter.name}`, gradient, joined(expected, names), 'f32')
    }
    for (const tensor of [logits, loss]) tensor.free()
  })

  it('continues greedily, with a cache, as transformers', async () => {
    using network = llama()
    const prompt = ids.subarray(0, 9)
    const wanted: number[] = expectedJson.greedy_from_first_9
    using decoder = new Decoder(network, [wanted.length])
    const sequence = [...prompt]
    let following = [...prompt]
    while (sequence.length < wanted.length) {
      const logits = scope(() => {
        const call = decoder.prepare([[text(following)]])
        const hidden = decoder.run(call)
        decoder.commit(call)
        return network.logits(hidden, fromArray(call.lastRows))
      })
      const values = await logits.readFloats()
      logits.free()
      following = [values.indexOf(Math.max(...values))]
      sequence.push(...following)
    }
    expect(sequence).toEqual(wanted)
  })
})
