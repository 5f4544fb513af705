import { expect, it } from 'vitest'
import { identityLoss } from '../../../lib/models/autoencoder/training/identity.js'
import { scale } from '../../../lib/ops/scale.js'
import { silu } from '../../../lib/ops/silu.js'
import { scope } from '../../../lib/tensor/scope.js'
import { zeros } from '../../../lib/tensor/tensor.js'
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
