/** A Chameleon of transformers, read as it is, and what transformers makes of it (test/fixtures/chameleon). */
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readSafetensors } from '../../../lib/files/safetensors/safetensors.js'
import { readChameleonConfig } from '../../../lib/models/chameleon/config.js'
import { readVqgan } from '../../../lib/models/chameleon/vqgan.js'
import { fromPretrained } from '../../../lib/models/transfusion/io/from_pretrained.js'
import { loadModel, saveModel } from '../../../lib/models/transfusion/io/folder.js'
import { codeTokensOf } from '../../../lib/sequence/code_tokens.js'
import { fromArray } from '../../../lib/tensor/tensor.js'
import { JsonTokenizer } from '../../../lib/tokenizer/tokenizer.js'
import { generate } from '../../../lib/generation/generate.js'
import { compare } from '../../check_op.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { wordLevelJson } from '../transfusion/io/llama_folder.js'
import { trainedText } from '../transfusion/text_training.js'

const folder = fileURLToPath(new URL('../../fixtures/chameleon', import.meta.url))
const imageDecoder = join(folder, 'vqgan_decoder.safetensors')
const json = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8'))
const configJson = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))
const { tensors } = await readSafetensors(join(folder, 'expected.safetensors'))
const floats = (name: string) => tensors.get(name)!.data as Float32Array
const ints = (name: string) => tensors.get(name)!.data as Int32Array
const config = await readChameleonConfig(folder)
const { vocabulary } = config.text

/** The checkpoint comes without one: words of the names in its config, and others where that has none. */
function tokenizer(): JsonTokenizer {
  const map: Record<string, number> = configJson.vocabulary_map
  const names = new Map(Object.entries(map).map(([name, id]) => [id, name]))
  const words = Array.from({ length: vocabulary }, (_, id) => names.get(id) ?? `other${id}`)
  const special = ['<s>', '</s>', '<unk>', '<racm3:break>', '<eoss>']
  const roles = { bos: '<s>', eos: '</s>', boi: '<racm3:break>', eoi: '<eoss>' }
  return new JsonTokenizer(wordLevelJson(words, special), roles)
}

const read = (options = {}) => fromPretrained(folder, { tokenizer: tokenizer(), ...options })
const vqgan = () => readVqgan(folder, config.autoencoder, { compute: 'f32', device: 'cpu', imageDecoder })
/** [1, 3, H, W] to [1, H, W, 3]. */
const channelsLast = (values: Float32Array, channels: number) => {
  const positions = values.length / channels
  return Float32Array.from(values, (_, i) => values[(i % channels) * positions + Math.floor(i / channels)]!)
}

describe('a Chameleon of transformers', () => {
  it('has its logits on text and on an image, before transformers masks those of codes', async () => {
    using network = (await read()).network
    for (const name of ['text', 'mixed']) {
      const { logits } = await trainedText(network, ints(`${name}_ids`), false)
      compare(`${name} logits`, logits, floats(`${name}_logits_unmasked`), 'f32')
    }
    const { loss } = await trainedText(network, ints('mixed_ids'))
    compare('loss', [loss!], [json.loss_unmasked_all_float64], 'f32', 'elementwise')
  })

  it('has its loss of text, where codes are masked and labels left out', async () => {
    using network = (await read()).network
    const { logits } = await trainedText(network, ints('mixed_ids'), false)
    const codes = codeTokensOf(network.config)!
    const labels: number[] = json.loss_labels
    const losses = labels.slice(1).flatMap((label, t) => {
      if (label < 0) return []
      const row = [...logits.subarray(t * vocabulary, (t + 1) * vocabulary)].map((value, id) =>
        codes.has(id) ? -Infinity : value,
      )
      const largest = Math.max(...row)
      const sum = row.reduce((sum, value) => sum + Math.exp(value - largest), 0)
      return [Math.log(sum) + largest - row[label]!]
    })
    compare('loss', [losses.reduce((a, b) => a + b) / losses.length], [json.loss], 'f32', 'elementwise')
  })

  it.each(['prompt_greedy', 'image_greedy'])('continues as it does: %s', async (name) => {
    using network = (await read()).network
    const codes = codeTokensOf(network.config)!
    const { first, ids }: { first: number; ids: number[] } = json[name]
    const imageIds = [...ints('image_ids')].values()
    const image = configJson.vocabulary_map['<image>']
    const expected = ids.map((id, i) => (id === image && i < first ? imageIds.next().value! : id))
    const written = expected.slice(0, first)
    while (written.length < expected.length) {
      const { logits } = await trainedText(network, Int32Array.from(written), false)
      const last = logits.subarray(-vocabulary)
      let best = -1
      for (const [id, logit] of last.entries())
        if (!codes.has(id) && (best < 0 || logit > last[best]!)) best = id
      written.push(best)
    }
    expect(written).toEqual(expected)
  })

  it('makes its codes of an image, the tokens of these, and pixels again by the decoder of taming', async () => {
    using network = await vqgan()
    const x = fromArray(channelsLast(floats('image'), 3), [1, 12, 16, 3])
    const z = network.encoded(x)
    compare('latents', await z.readFloats(), channelsLast(floats('latents'), 8), 'f32')
    const codes = network.encodeToCodes(x)
    expect([...(await codes.readInts())]).toEqual([...ints('codes')])
    const model = await read()
    expect(await model.codec!.encode([])).toEqual(new Float32Array(0))
    const tokens = codeTokensOf(model.network.config)!.idsOf(Float32Array.from(ints('codes')))
    expect([...tokens]).toEqual([...ints('image_ids')])
    const pixels = network.decodeCodes(codes)
    const expected = channelsLast(floats('reconstruction'), 3)
    compare('reconstruction', await pixels.readFloats(), expected, 'f32')
    for (const tensor of [x, z, codes, pixels]) tensor.free()
    model.network[Symbol.dispose]()
    model.codec![Symbol.dispose]!()
  })

  it('generates text and images, alone and saved as a folder of ours, the VQGAN in it', async () => {
    const model = await read({ imageDecoder, image: { height: 2, width: 3 } })
    const options = { startWith: 'image', maxTokens: 3, seed: 5 } as const
    const events = async (from: typeof model) => {
      const found: unknown[] = []
      for await (const event of generate(from, 'w1 w2', options))
        if (event.type === 'image' || event.type === 'text') found.push(event)
      return found
    }
    const generated = await events(model)
    expect(generated[0]).toMatchObject({ type: 'image', image: { height: 4, width: 6, channels: 3 } })
    const saved = await temporaryFolder()
    await saveModel(saved, model)
    model.network[Symbol.dispose]()
    model.codec![Symbol.dispose]!()
    const again = await loadModel(saved)
    expect(await events(again)).toEqual(generated)
    again.network[Symbol.dispose]()
    again.codec![Symbol.dispose]!()
  })

  it('without a decoder generates codes, and says what is missing where pixels are asked for', async () => {
    const model = await read()
    using network = model.network
    using codec = model.codec! as Disposable & typeof model.codec
    await expect(
      codec!.decode(new Float32Array(network.config.image.height * network.config.image.width), [
        network.config.image,
      ]),
    ).rejects.toThrow('it has no decoder, so that codes become no pixels: give one, by `imageDecoder`')
  })
})

describe('a folder that is not a Chameleon as we read it', () => {
  const changed = async (changes: (json: typeof configJson) => void) => {
    const copy = await temporaryFolder()
    await cp(folder, copy, { recursive: true })
    const changedJson = structuredClone(configJson)
    changes(changedJson)
    await writeFile(join(copy, 'config.json'), JSON.stringify(changedJson))
    return copy
  }

  it.each<[string, (json: typeof configJson) => void]>([
    ['vocabulary_map: expected a token IMGIMGBZ, of code 1', (json) => delete json.vocabulary_map.IMGIMGBZ],
    ['vocabulary_map: expected a token <eoss>', (json) => delete json.vocabulary_map['<eoss>']],
    ['vq_config.attn_type: expected "vanilla"', (json) => (json.vq_config.attn_type = 'other')],
    ['mlp_bias', (json) => (json.mlp_bias = true)],
  ])('is refused by name: %s', async (message, changes) => {
    await expect(fromPretrained(await changed(changes), { tokenizer: tokenizer() })).rejects.toThrow(message)
  })

  it('is refused where a tensor is missing, and a decoder for a model without images too', async () => {
    const other = await changed((json) => (json.vq_config.num_res_blocks = 2))
    await expect(fromPretrained(other, { tokenizer: tokenizer() })).rejects.toThrow(
      'model.vqmodel.encoder.down.0.block.1',
    )
    await rm(join(other, 'model.safetensors'))
    await expect(fromPretrained(other, { tokenizer: tokenizer() })).rejects.toThrow('model.safetensors')
  })
})
