/** What training an autoencoder takes of memory at least, known before anything is made. */
import { stat } from 'node:fs/promises'
import type { ImagePreprocessing } from '../../../image/image_preprocessing.js'
import type { NetworkCosts } from '../../../nn/convolution_work.js'
import { elementsOf } from '../../../tensor/shape.js'
import { bytesPerParameter } from '../../../training/least_memory.js'
import { describeLpips } from '../../lpips/lpips.js'
import { autoencoderParameters } from '../network.js'
import { describeDiscriminator } from '../training/discriminator.js'
import { describeFeatures, ofSetting } from './judges.js'
import { type AutoencoderSettings, preprocessingOf, sizesOf } from './settings.js'

/** Bytes, and what they are of. */
export interface AutoencoderMemory {
  /** Of the autoencoder. */
  readonly parameters: number
  /** Those of its parameters, their gradients, the optimizer's state and their average, and of all networks beside it. */
  readonly weights: number
  /** Which networks those are. */
  readonly beside: readonly string[]
  /** What a micro-batch keeps for its backward pass: what the convolutions of residual blocks read and those of judges give. */
  readonly batch: number
  readonly images: ImagePreprocessing
}

/** Rejects with an Error that begins with the setting where a file cannot be read, or is not of the network that it is to be. */
export async function leastMemory(settings: AutoencoderSettings, name: string): Promise<AutoencoderMemory> {
  const { model, precision, training, device } = settings
  const config = sizesOf(model, name)
  const images = preprocessingOf(settings, name)
  const computed = precision === 'bf16' ? 2 : 4
  const parameters = autoencoderParameters(config).reduce((sum, { shape }) => sum + elementsOf(shape), 0)
  const { perceptual, identity, discriminator } = training.loss
  const frozen = await frozenJudges({ perceptual, identity })
  const adversary =
    discriminator && describeDiscriminator({ ...discriminator, imageChannels: config.imageChannels })
  const encoder = model.frozenEncoder && device === 'cpu' ? await bytesOf(model.frozenEncoder.onnx) : 0

  // Of the encoder and the decoder, two convolutions each.
  const blocks = 2 * ((config.frozenEncoder ? 0 : config.blocks) + config.blocks + 1)
  const pixels = images.width * images.height
  const kept = config.channels.reduce((sum, width, level) => sum + (blocks * pixels * width) / 4 ** level, 0)
  const judged = frozen.reduce((sum, { costs }) => sum + costs.workOn(images).values, 0)
  // With a discriminator what judges by features is differentiated, and gone, before it judges image and reconstruction.
  const beside =
    adversary && isReached(training) ? Math.max(judged, 2 * adversary.workOn(images).values) : judged
  return {
    parameters,
    weights:
      parameters * bytesPerParameter(precision, training) +
      (adversary?.parameters ?? 0) * bytesPerParameter(precision, companion) +
      frozen.reduce((sum, { costs }) => sum + costs.parameters * computed, 0) +
      encoder,
    beside: [
      ...(adversary ? ['the discriminator'] : []),
      ...frozen.map(({ title }) => title),
      ...(encoder > 0 ? ['the frozen encoder'] : []),
    ],
    batch: Math.floor(training.batchSize / training.gradientAccumulation) * (kept + beside) * computed,
    images,
  }
}

/** The optimizer of a discriminator, whatever the model's is, has two moments; there is no average. */
const companion = { optimizer: { type: 'adamw' }, ema: 0 } as const

const isReached = ({ steps, loss }: AutoencoderSettings['training']) =>
  steps === undefined || (loss.discriminator?.start ?? 0) < steps

/** The networks that a loss compares features of. */
async function frozenJudges({
  perceptual,
  identity,
}: Pick<AutoencoderSettings['training']['loss'], 'perceptual' | 'identity'>) {
  const judges: { title: string; costs: NetworkCosts }[] = []
  const describe = async (term: string, title: string, costs: Promise<NetworkCosts>) =>
    judges.push({ title, costs: await ofSetting(term, costs) })
  if (perceptual) await describe('perceptual', 'the network of LPIPS', describeLpips(perceptual.weights))
  if (identity) await describe('identity', 'that of the identity term', describeFeatures(identity.weights))
  return judges
}

/** 0 where there is none: whoever opens it says so. */
const bytesOf = async (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  )
