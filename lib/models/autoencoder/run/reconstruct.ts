import { noGrad } from '../../../autograd/tape.js'
import type { Image } from '../../../image/image.js'
import { bytesToFloats, imageFromFloats } from '../../../image/pixels.js'
import { cast } from '../../../ops/cast.js'
import { withDevice } from '../../../tensor/device.js'
import { scope } from '../../../tensor/scope.js'
import { fromArray, type Tensor } from '../../../tensor/tensor.js'
import type { AutoencoderNetwork } from '../network.js'

/** Pixels that go through the network at once: an image of 512 x 512, or 64 of 64 x 64. */
const pixelsAtOnce = 2 ** 18

/** Images through encoder and decoder, by the means of their latents or their codes; all have one size. */
export async function reconstruct(network: AutoencoderNetwork, images: readonly Image[]): Promise<Image[]> {
  const made: Image[] = []
  await forEachBatch(
    network,
    images,
    (x) => network.decode(network.config.codebook ? quantized(network, x) : network.encode(x)),
    (values, part) => {
      const size = values.length / part.length
      part.forEach((image, i) => made.push(imageFromFloats(values.subarray(i * size, (i + 1) * size), image)))
    },
  )
  return made
}

const quantized = (network: AutoencoderNetwork, x: Tensor): Tensor =>
  network.codebook.vectors(network.encodeToCodes(x))

/** The latents of images, `[N, h, w, C]`, some images at a time. */
export const forEachLatents = (
  network: AutoencoderNetwork,
  images: readonly Image[],
  use: (latents: Float32Array) => void,
): Promise<void> => forEachBatch(network, images, (x) => network.encode(x), use)

async function forEachBatch(
  { arena: { device, compute } }: AutoencoderNetwork,
  images: readonly Image[],
  body: (x: Tensor) => Tensor,
  use: (values: Float32Array, images: readonly Image[]) => void,
): Promise<void> {
  if (images.length === 0) return
  const { width, height, channels } = images[0]!
  const size = width * height * channels
  const atOnce = Math.max(1, Math.floor(pixelsAtOnce / (width * height)))
  for (let first = 0; first < images.length; first += atOnce) {
    const part = images.slice(first, first + atOnce)
    const values = new Float32Array(part.length * size)
    part.forEach(({ data }, i) => bytesToFloats(data, values.subarray(i * size, (i + 1) * size)))
    using result = withDevice(device, () =>
      noGrad(() =>
        scope(() => body(cast(fromArray(values, [part.length, height, width, channels]), compute))),
      ),
    )
    use(await result.readFloats(), part)
  }
}
