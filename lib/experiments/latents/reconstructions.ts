/** How near an autoencoder brings pictures that it was not trained on. */
import type { EmojiData, EmojiDataset } from '../../datasets/emoji/emoji.js'
import { noGrad } from '../../autograd/tape.js'
import { evenlySpread } from '../../data/sample_order.js'
import type { Features } from '../../evaluation/image_metrics/features.js'
import { frechetDistance, momentsOf } from '../../evaluation/image_metrics/frechet.js'
import { mean } from '../../evaluation/image_metrics/moments.js'
import type { Image } from '../../image/image.js'
import { bytesToFloats } from '../../image/pixels.js'
import { psnr } from '../../image/similarity.js'
import { AutoencoderCodec } from '../../models/autoencoder/codec.js'
import { downscaleOf } from '../../models/autoencoder/config.js'
import { loadAutoencoder } from '../../models/autoencoder/io/folder.js'
import type { AutoencoderNetwork } from '../../models/autoencoder/network.js'
import { reconstruct } from '../../models/autoencoder/run/reconstruct.js'
import { pixelsOf, runNetwork } from '../../models/autoencoder/run_network.js'
import { Lpips } from '../../models/lpips/lpips.js'
import type { ComputeType } from '../../nn/arena.js'
import { cast } from '../../ops/cast.js'
import { reshape } from '../../ops/reshape.js'
import { drawReconstructions, similarityOf } from '../../run/autoencoder/sheets.js'
import { type Device, withDevice } from '../../tensor/device.js'
import { scope } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'

/** Metrics of reconstructions against their originals, by the names that JSON files have. */
export interface ReconstructionMetrics {
  /** Mean over pictures, in dB. */
  readonly psnr: number
  /** Mean over pictures. */
  readonly ssim?: number
  /** LPIPS, mean over pictures, where there are weights for it. */
  readonly lpips?: number
  /** Fréchet distance of the classifier's features between reconstructions and their originals. */
  readonly rfid: number
  /** For scale: between the originals and as many pictures that were trained on. */
  readonly rfid_training: number
  /** Of the linear preview of the latents against what the decoder makes of them, mean over pictures, in dB. */
  readonly preview_psnr: number
  /** Of a VQ-VAE: different codes in the pictures. */
  readonly codes_used?: number
  /** Of a VQ-VAE: exp of the entropy of the codes' shares. */
  readonly code_perplexity?: number
}

/** An autoencoder's folder, and what its reconstructions are measured by. */
export interface ReconstructionOptions {
  readonly folder: string
  readonly precision: ComputeType
  readonly device: Device
  /** Of images to the classifier's features. */
  readonly featuresOf: (images: readonly Image[]) => Promise<Features>
  /** A file of LPIPS' weights. */
  readonly lpips?: string | undefined
}

/** Pictures by which previews are fitted. */
const measured = 256
/** Pictures on the sheet. */
const shown = 20

/** Encodes and decodes the held-out pictures of a data set; `sheet`: some of them above their reconstructions. */
export async function measureReconstructions(
  { training, heldOut }: EmojiData,
  options: ReconstructionOptions,
): Promise<{ metrics: ReconstructionMetrics; sheet: Image }> {
  const { folder, precision: compute, device, featuresOf, lpips } = options
  const imagesOf = ({ pictures }: EmojiDataset, count: number) =>
    evenlySpread(pictures, Math.min(count, pictures.length)).map(({ image }) => image)
  const images = imagesOf(heldOut, Infinity)
  const { network } = await loadAutoencoder(folder, { compute, device, trainable: false })
  using _ = network
  const reconstructions = await reconstruct({ network }, images)
  const momentsOfImages = async (images: readonly Image[]) => momentsOf(await featuresOf(images))
  const real = await momentsOfImages(images)
  const metrics: ReconstructionMetrics = {
    ...similarityOf(reconstructions, images),
    ...(lpips !== undefined && { lpips: mean(await lpipsOf(lpips, options, reconstructions, images)) }),
    rfid: frechetDistance(real, await momentsOfImages(reconstructions)),
    rfid_training: frechetDistance(real, await momentsOfImages(imagesOf(training, images.length))),
    preview_psnr: await previewPsnr(folder, { compute, device }, imagesOf(training, measured), images),
    ...(network.config.codebook && (await codeUse(network, images))),
  }
  const indices = evenlySpread([...images.keys()], Math.min(shown, images.length))
  const sheet = drawReconstructions(
    titleOf(metrics),
    indices.map((i) => reconstructions[i]!),
    indices.map((i) => images[i]!),
  )
  return { metrics, sheet }
}

const titleOf = ({ psnr, ssim, rfid }: ReconstructionMetrics): string =>
  `Held-out emoji and their reconstructions: PSNR ${psnr.toFixed(2)} dB, ` +
  `${ssim === undefined ? '' : `SSIM ${ssim.toFixed(3)}, `}rFID ${rfid.toFixed(2)}`

/** Of previews, fitted to other images, against what is decoded from the same latents. */
async function previewPsnr(
  folder: string,
  options: { compute: ComputeType; device: Device },
  others: readonly Image[],
  images: readonly Image[],
): Promise<number> {
  using codec = await AutoencoderCodec.load(folder, options)
  codec.calibrate(await codec.measure(others))
  const values = await codec.encode(images)
  const sizes = images.map(({ height, width }) => ({
    height: height / codec.downscale,
    width: width / codec.downscale,
  }))
  const previews = codec.preview!(values, sizes)
  const decoded = await codec.decode(values, sizes)
  return mean(previews.map((preview, i) => psnr(preview, decoded[i]!)))
}

/** Which codes of a VQ-VAE images are, over all of them. */
async function codeUse(network: AutoencoderNetwork, images: readonly Image[]) {
  const fields = await runNetwork(
    network,
    images.map(pixelsOf),
    { factor: 1 / downscaleOf(network.config) },
    (network, x) => {
      const ids = network.encodeToCodes(x)
      return cast(reshape(ids, [...ids.shape, 1]), 'f32')
    },
  )
  const counts = new Map<number, number>()
  for (const { values } of fields) for (const id of values) counts.set(id, (counts.get(id) ?? 0) + 1)
  const total = fields.reduce((sum, { values }) => sum + values.length, 0)
  const entropy = [...counts.values()].reduce(
    (sum, count) => sum - (count / total) * Math.log(count / total),
    0,
  )
  return { codes_used: counts.size, code_perplexity: Math.exp(entropy) }
}

/** LPIPS of images, one after the other: features of VGG16 take much memory. */
async function lpipsOf(
  path: string,
  { precision: compute, device }: ReconstructionOptions,
  images: readonly Image[],
  originals: readonly Image[],
): Promise<number[]> {
  using lpips = await Lpips.load(path, { compute, device })
  const distances: number[] = []
  for (const [i, image] of images.entries()) {
    using distance = withDevice(device, () =>
      noGrad(() => scope(() => lpips.distance(tensorOf(image), tensorOf(originals[i]!)))),
    )
    distances.push((await distance.readFloats())[0]!)
  }
  return distances
}

const tensorOf = ({ height, width, channels, data }: Image): Tensor =>
  fromArray(bytesToFloats(data), [1, height, width, channels])
