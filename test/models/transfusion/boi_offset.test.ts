import { describe, expect, it, onTestFinished } from 'vitest'
import { backward } from '../../../lib/autograd/tape.js'
import { objectiveSchema } from '../../../lib/diffusion/objective.js'
import { loadModel, saveModel } from '../../../lib/models/transfusion/io/folder.js'
import { initializeFrom } from '../../../lib/models/transfusion/io/initialize.js'
import { isImageParameter } from '../../../lib/models/transfusion/image_parameters.js'
import { TransfusionNetwork } from '../../../lib/models/transfusion/model.js'
import { cast } from '../../../lib/ops/cast.js'
import { sum } from '../../../lib/ops/reduce.js'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray } from '../../../lib/tensor/tensor.js'
import { compare } from '../../check_op.js'
import { generator, roundToBf16 } from '../../host_array.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { perturbedNetwork, tinyConfig, tokens } from './tiny_model.js'

const { channels, vocabulary } = tinyConfig
const name = 'image.boi.weight'
const own = { ...tinyConfig, image: { ...tinyConfig.image, boi: 'own' } } as const

const next = generator(4)
/** Exact in bf16. */
const hidden = Float32Array.from({ length: 3 * channels }, () => roundToBf16(2 * next() - 1))
const labels = Int32Array.of(tokens.boi, 7, tokens.boi)

const inputsOf = ({ compute }: TransfusionNetwork) =>
  [fromArray(Int32Array.of(0, 1, 2)), cast(fromArray(hidden, [3, channels]), compute)] as const

async function outputsOf(network: TransfusionNetwork) {
  const { logits, losses } = scope(() => {
    const [rows, x] = inputsOf(network)
    return {
      logits: network.logits(x, rows),
      losses: network.tokenLosses(x, rows, fromArray(labels), {}).losses,
    }
  })
  return { logits: await logits.readFloats(), losses: await losses.readFloats() }
}

const offsetOf = ({ arena }: TransfusionNetwork) =>
  arena.everyParameter.find((parameter) => parameter.name === name)!

/** The same weights with and without an offset of BOI's row. */
async function bothNetworks() {
  const folder = await temporaryFolder()
  const shared = await perturbedNetwork()
  await saveModel(folder, {
    network: shared,
    tokenizer: makeCaptionTokenizer(['a b c d e f g']),
    objective: objectiveSchema.parse({}),
  })
  const { network } = await initializeFrom(folder, { sizes: { image: own.image } })
  onTestFinished(() => [shared, network].forEach((each) => each[Symbol.dispose]()))
  return { shared, network }
}

describe("images' own offset of BOI's output row", () => {
  it('is a parameter of images, begins with 0, and leaves a new model as it is without', async () => {
    using network = new TransfusionNetwork(own)
    using shared = new TransfusionNetwork(tinyConfig)
    for (const each of [network, shared]) each.arena.initialize(3)
    expect(isImageParameter(name)).toBe(true)
    using values = network.arena.valuesOf(offsetOf(network))
    expect(await values.readFloats()).toEqual(new Float32Array(channels))
    expect(await outputsOf(network)).toEqual(await outputsOf(shared))
  })

  it("changes BOI's logit alone, and the losses as those logits have them", async () => {
    const { shared, network } = await bothNetworks()
    const before = await outputsOf(shared)
    expect(await outputsOf(network)).toEqual(before)
    const offset = Float32Array.from({ length: channels }, (_, c) => Math.sin(c))
    network.arena.write(offsetOf(network), offset)
    network.arena.updated()
    const { logits, losses } = await outputsOf(network)
    const expected = before.logits.map((logit, i) => {
      const row = Math.floor(i / vocabulary)
      const own = offset.reduce((sum, value, c) => sum + value * hidden[row * channels + c]!, 0)
      return i % vocabulary === tokens.boi ? logit + own : logit
    })
    const isOther = (_: number, i: number) => i % vocabulary !== tokens.boi
    expect(logits.filter(isOther)).toEqual(before.logits.filter(isOther))
    compare('logits', logits, expected, 'f32')
    const entropies = [...labels].map((label, row) => {
      const own = expected.subarray(row * vocabulary, (row + 1) * vocabulary)
      return Math.log(own.reduce((sum, logit) => sum + Math.exp(logit), 0)) - own[label]!
    })
    compare('losses', losses, Float32Array.from(entropies), 'f32')
  })

  it.each(['f32', 'bf16'] as const)(
    'learns when to begin an image where all else is frozen: %s',
    async (compute) => {
      using network = new TransfusionNetwork(own, compute, 'cpu', (parameter) =>
        parameter.name === name ? undefined : 'f32',
      )
      network.arena.initialize(3)
      expect(network.arena.parameters.map((parameter) => parameter.name)).toEqual([name])
      network.arena.zeroGradients()
      scope(() => {
        const [rows, x] = inputsOf(network)
        backward(sum(network.tokenLosses(x, rows, fromArray(labels), {}).losses))
      })
      const gradient = (await network.arena.gradients.readFloats()).subarray(0, channels)
      const { logits } = await outputsOf(network)
      const expected = Float32Array.from({ length: channels }, (_, c) =>
        [...labels].reduce((total, label, row) => {
          const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary)
          const share = Math.exp(own[tokens.boi]!) / own.reduce((sum, logit) => sum + Math.exp(logit), 0)
          return total + (share - (label === tokens.boi ? 1 : 0)) * hidden[row * channels + c]!
        }, 0),
      )
      compare('gradient', gradient, expected, compute)
    },
  )

  it('is saved, loaded, and not given up', async () => {
    const { network } = await bothNetworks()
    network.arena.write(
      offsetOf(network),
      Float32Array.from({ length: channels }, (_, c) => c),
    )
    network.arena.updated()
    const folder = await temporaryFolder()
    const tokenizer = makeCaptionTokenizer(['a b c d e f g'])
    await saveModel(folder, { network, tokenizer, objective: objectiveSchema.parse({}) })
    using loaded = (await loadModel(folder)).network
    expect(await outputsOf(loaded)).toEqual(await outputsOf(network))
    using kept = (await initializeFrom(folder)).network
    expect(await outputsOf(kept)).toEqual(await outputsOf(network))
    const image = { ...own.image, boi: 'shared' } as const
    await expect(initializeFrom(folder, { sizes: { image } })).rejects.toThrow(
      'its weights cannot be taken: image.boi is "own", expected "shared"',
    )
  })
})
