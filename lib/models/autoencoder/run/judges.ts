/** The networks of a run's loss, by the files that its config names. */
import { extname } from 'node:path'
import type { ComputeType } from '../../../nn/arena.js'
import type { NetworkCosts } from '../../../nn/convolution_work.js'
import type { Device } from '../../../tensor/device.js'
import { Lpips } from '../../lpips/lpips.js'
import { describeResnet, Resnet } from '../../resnet/resnet.js'
import type { GivenJudges } from '../training/judges.js'
import type { AutoencoderLossOptions } from '../training/options.js'

/** Judges that own their networks' weights. */
export interface LoadedJudges extends GivenJudges {
  /** Frees them. */
  [Symbol.dispose](): void
}

/** Reads the networks that a loss names. Rejects with an Error that begins with the setting whose file is wrong. */
export async function loadJudges(
  { perceptual, identity }: Pick<AutoencoderLossOptions, 'perceptual' | 'identity'>,
  options: { compute: ComputeType; device: Device },
): Promise<LoadedJudges> {
  const networks: Disposable[] = []
  const dispose = () => networks.splice(0).forEach((network) => network[Symbol.dispose]())
  const read = async <N extends Disposable>(
    term: string,
    given: { weights: string; weight: number },
    load: (path: string) => Promise<N>,
  ) => {
    const network = await ofSetting(term, load(given.weights))
    networks.push(network)
    return { network, weight: given.weight }
  }
  try {
    return {
      perceptual: perceptual && (await read('perceptual', perceptual, (path) => Lpips.load(path, options))),
      identity: identity && (await read('identity', identity, (path) => loadFeatures(path, options))),
      [Symbol.dispose]: dispose,
    }
  } catch (error) {
    dispose()
    throw error
  }
}

/** What reading the file of a term resolves with; where it rejects, its Error begins with the setting. */
export async function ofSetting<Result>(term: string, read: Promise<Result>): Promise<Result> {
  try {
    return await read
  } catch (error) {
    throw new Error(`training.loss.${term}.weights: ${(error as Error).message}`, { cause: error })
  }
}

async function loadFeatures(path: string, options: { compute: ComputeType; device: Device }) {
  refuseOnnx(path)
  return Resnet.load(path, options)
}

/** What the network of a file costs. Rejects as `loadJudges`, without the setting. */
export async function describeFeatures(path: string): Promise<NetworkCosts> {
  refuseOnnx(path)
  return describeResnet(path)
}

function refuseOnnx(path: string): void {
  if (extname(path).toLowerCase() === '.onnx')
    throw new Error(
      `${path}: expected safetensors of a ResNet: a loss needs the gradients of its network, and onnxruntime computes none of ` +
        'ONNX; scripts/resnet_weights.py makes safetensors of a checkpoint of PyTorch',
    )
}
