import { describe, expect, it } from 'vitest'
import { backward } from '../../../lib/autograd/tape.js'
import type { AutoencoderOptions } from '../../../lib/models/autoencoder/config.js'
import { AutoencoderNetwork } from '../../../lib/models/autoencoder/network.js'
import { PatchDiscriminator } from '../../../lib/models/autoencoder/training/discriminator.js'
import { identityLoss } from '../../../lib/models/autoencoder/training/identity.js'
import type { GivenJudges } from '../../../lib/models/autoencoder/training/judges.js'
import { autoencoderLoss, type Judges } from '../../../lib/models/autoencoder/training/loss.js'
import { autoencoderTrainingSchema } from '../../../lib/models/autoencoder/training/options.js'
import { AutoencoderTrainer } from '../../../lib/models/autoencoder/training/trainer.js'
import { mul } from '../../../lib/ops/mul.js'
import { mean } from '../../../lib/ops/reduce.js'
import { scale } from '../../../lib/ops/scale.js'
import { silu } from '../../../lib/ops/silu.js'
import { memory } from '../../../lib/tensor/device.js'
import { scope } from '../../../lib/tensor/scope.js'
import { type Tensor, zeros } from '../../../lib/tensor/tensor.js'
import { checkOp } from '../../check_op.js'
import { type HostArray, randomArray, toTensor } from '../../host_array.js'

const shape = [3, 2, 4, 1]
const images = randomArray(shape, 1)

/** 1 - the cosine of the SiLUs of each image and its reconstruction, in float64. */
function reference(y: HostArray): HostArray {
  const size = y.data.length / shape[0]!
  const featuresOf = ({ data }: HostArray, n: number) =>
    data.slice(n * size, (n + 1) * size).map((value) => value / (1 + Math.exp(-value)))
  const losses = Array.from({ length: shape[0]! }, (_, n) => {
    const [a, b] = [featuresOf(y, n), featuresOf(images, n)]
    const product = a.reduce((sum, value, i) => sum + value * b[i]!, 0)
    return 1 - product / (Math.hypot(...a) * Math.hypot(...b))
  })
  return { shape: [shape[0]!], data: Float64Array.from(losses) }
}

it('is 1 - the cosine of features, and differentiable in the reconstructions', async () => {
  await checkOp({
    inputs: { y: randomArray(shape, 2) },
    run: ({ y }) => identityLoss({ features: silu }, y, toTensor(images, 'f32')),
    reference: ({ y }) => reference(y),
    dtypes: ['f32'],
  })
})

it('is 0 for the images themselves, and 1 without features', async () => {
  const x = toTensor(images, 'f32')
  const same = scope(() => identityLoss({ features: silu }, x, x))
  for (const value of await same.readFloats()) expect(Math.abs(value)).toBeLessThan(1e-6)
  const none = scope(() => identityLoss({ features: (y) => scale(y, 0) }, x, x))
  expect([...(await none.readFloats())]).toEqual([1, 1, 1])
})

it('names features that are not of as many images', () => {
  const x = zeros(shape)
  expect(() => identityLoss({ features: () => zeros([2, 8]) }, x, x)).toThrow(
    'features must have shape [3, ...], received a tensor of f32 [2, 8]',
  )
})

describe('the loss of an autoencoder', () => {
  const options: AutoencoderOptions = {
    channels: [4],
    blocks: 1,
    latentChannels: 2,
    groups: 2,
    imageChannels: 1,
  }
  const side = { height: 8, width: 8, channels: 1 } as const
  const values = Float32Array.from(randomArray([2, 8, 8, 1], 3).data)
  const batch = { step: 0, images: 2, values, seeds: new Int32Array(8).fill(5), imagesOfStep: 4 }

  /** Its terms, and the total, with judges. */
  async function lossesOf(judges: Judges, settings: object = {}) {
    using network = new AutoencoderNetwork(options)
    network.arena.initialize(1)
    network.arena.zeroGradients()
    const { loss } = autoencoderTrainingSchema.parse({ steps: 1, loss: settings })
    const { total, terms } = scope(() => autoencoderLoss(network, batch, side, loss, judges))
    scope(() => backward(total))
    const read = async (tensor: Tensor) => (await tensor.readFloats())[0]!
    return {
      total: await read(total),
      gradients: await network.arena.gradients.readFloats(),
      terms: Object.fromEntries(
        await Promise.all(
          Object.entries(terms).map(async ([name, term]) => [name, await read(term)] as const),
        ),
      ),
    }
  }

  it.each<[keyof GivenJudges, number | undefined, number]>([
    ['identity', undefined, 0.2],
    ['identity', 0, 0],
    ['identity', 3, 3],
    ['perceptual', undefined, 1],
    ['perceptual', 0.5, 0.5],
  ])('has the %s term by its weight, %s', async (name, weight, expected) => {
    const network = { features: silu, distance: (y: Tensor, x: Tensor) => mean(silu(mul(y, x)), [1, 2, 3]) }
    const plain = await lossesOf({})
    const judged = await lossesOf({ [name]: { network, ...(weight !== undefined && { weight }) } })
    expect(plain.terms).not.toHaveProperty(name)
    const { [name]: term, ...others } = judged.terms
    expect(others).toEqual(plain.terms)
    expect(Math.abs(term!)).toBeGreaterThan(0.01)
    expect(judged.total).toBeCloseTo(plain.total + expected * term!, 6)
    const same = Buffer.from(judged.gradients.buffer).equals(Buffer.from(plain.gradients.buffer))
    expect(same).toBe(expected === 0)
  })

  it('has them beside a discriminator, too', async () => {
    using discriminator = new PatchDiscriminator({ imageChannels: 1, channels: 2, layers: 1 })
    discriminator.arena.initialize(1)
    const identity = { network: { features: silu } }
    const perceptual = { network: { distance: (y: Tensor) => mean(y, [1, 2, 3]) } }
    const judges = { identity, perceptual, discriminator }
    const { terms } = await lossesOf(judges, { discriminator: { start: 0 } })
    expect(Object.keys(terms)).toEqual([
      'reconstruction',
      'perceptual',
      'identity',
      'generator',
      'discriminator',
      'adversarial_weight',
      'kl',
    ])
  })

  it.each<[object, string]>([
    [{ lpips: {} }, 'AutoencoderTrainer: judges.lpips is unknown'],
    [
      { perceptual: { network: {} } },
      'judges.perceptual.network.distance must be a function, received nothing',
    ],
    [{ identity: {} }, 'judges.identity.network must be an object, received nothing'],
    [{ identity: { network: {} } }, 'judges.identity.network.features must be a function, received nothing'],
    [
      { identity: { network: { features: silu }, weight: -1 } },
      'judges.identity.weight must be a number of at least 0, received -1',
    ],
  ])('names what is wrong with its judges: %o', (judges, message) => {
    using network = new AutoencoderNetwork(options)
    const autoencoder = { network, scale: { mean: [0, 0], std: [1, 1], factor: 1 } }
    const data = { open: () => expect.unreachable(), images: side }
    expect(() => new AutoencoderTrainer(autoencoder, data, { steps: 1 }, judges as never)).toThrow(message)
  })

  it('is refused at once with a discriminator that its images are too small for', () => {
    using network = new AutoencoderNetwork(options)
    const autoencoder = { network, scale: { mean: [0, 0], std: [1, 1], factor: 1 } }
    const data = { open: () => expect.unreachable(), images: side }
    const { tensors } = memory()
    expect(
      () => new AutoencoderTrainer(autoencoder, data, { steps: 1, loss: { discriminator: {} } }),
    ).toThrow(
      'loss.discriminator.layers: expected fewer: images of 8 x 8 pixels are too small for 3 layers, which need 24 x 24',
    )
    expect(memory().tensors).toBe(tensors)
  })
})
