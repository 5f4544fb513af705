import { checkArguments, checkOptions } from '../../arguments.js'
import { openWeights, readFinite } from '../../files/safetensors/finite_floats.js'
import { SafetensorsReader } from '../../files/safetensors/safetensors_reader.js'
import { type ComputeType, ParameterArena } from '../../nn/arena.js'
import type { ImageSize } from '../../image/image.js'
import { ColorScaling } from '../../nn/color_scaling.js'
import type { ConvolutionWork, NetworkCosts } from '../../nn/convolution_work.js'
import { ParameterList } from '../../nn/parameters.js'
import { writeParameter } from '../../nn/parameter_values.js'
import { convolutionShape, fromStored } from '../../nn/stored_convolution.js'
import { cast } from '../../ops/cast.js'
import { ArgumentError } from '../../tensor/argument_error.js'
import { currentDevice, type Device, parseDevice } from '../../tensor/device.js'
import { scope } from '../../tensor/scope.js'
import type { Tensor } from '../../tensor/tensor.js'
import { layersIn, remedy } from './layers.js'
import { type NormedConvolution, type ResnetLayers, ResnetNetwork } from './network.js'

/** How the weights of a ResNet are read. */
export interface LoadResnetOptions {
  /** bf16: weights and features are rounded to bf16; images are scaled and the last means taken in f32. */
  compute?: ComputeType
  /** Where the weights will lie and the network runs; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device
}

/** Mean and deviation of ImageNet's colors in 0..1, by which torchvision's weights and MoCo's were trained, for pixels of -1..1. */
const colors = {
  shift: [0.485, 0.456, 0.406].map((mean) => 2 * mean - 1),
  scale: [0.229, 0.224, 0.225].map((std) => 2 * std),
}

/** Added to variances in batch norms, as in torchvision. */
const normEps = 1e-5

/**
 * A ResNet (He et al. 2016) that tells what images show: for the identity term of an autoencoder's loss, where the paper has
 * one of MoCo v2 (ResNet-50). Its weights are frozen: they get no gradients; its batch norms have their running statistics.
 */
export class Resnet {
  readonly #arena: ParameterArena
  readonly #network: ResnetNetwork
  readonly #scaling: ColorScaling

  private constructor(layers: ResnetLayers, compute: ComputeType = 'f32', device: Device) {
    if (!layers?.stem) throw new TypeError('Resnet: it is made by Resnet.load')
    const list = new ParameterList()
    this.#network = new ResnetNetwork(list, layers)
    this.#arena = new ParameterArena(list.parameters, compute, device, () => compute)
    this.#scaling = new ColorScaling(colors, device)
  }

  /**
   * Reads a safetensors file of weights under the names of torchvision's ResNets of 18 to 152 layers and their wide ones:
   * scripts/resnet_weights.py makes one of a checkpoint of PyTorch, MoCo's for one. Depth and widths are those of the file;
   * tensors that are no part of the network, `fc` for one, are left alone.
   * @throws SafetensorsError for a malformed file, and for a tensor that is missing, of another shape or not finite; the file
   *   system's error where it cannot be opened
   */
  static async load(path: string, options: LoadResnetOptions = {}): Promise<Resnet> {
    checkArguments('Resnet.load', { path: [path, 'string'] })
    checkOptions('Resnet.load', options, { compute: true, device: true })
    const device = parseDevice(options.device ?? currentDevice(), 'Resnet.load')
    await using file = await openWeights(path)
    const layers = layersIn(file)
    const resnet = new Resnet(layers, options.compute, device)
    try {
      await resnet.#read(file, layers)
    } catch (error) {
      resnet[Symbol.dispose]()
      throw error
    }
    return resnet
  }

  /** Of the network's convolutions of one image. */
  workOn(image: ImageSize): ConvolutionWork {
    return this.#network.workOn(image)
  }

  async #read(file: SafetensorsReader, { stem, blocks }: ResnetLayers): Promise<void> {
    const parameters = new Map(this.#arena.everyParameter.map((parameter) => [parameter.name, parameter]))
    const all = [
      stem,
      ...blocks.flatMap(({ convolutions, shortcut }) => [...convolutions, ...(shortcut ? [shortcut] : [])]),
    ]
    for (const convolution of all) {
      const weight = parameters.get(`${convolution.name}.weight`)!
      const stored = await readFinite(file, weight.name, convolutionShape(weight), remedy)
      const { factors, offsets } = await readNorm(file, convolution)
      const size = stored.length / factors.length
      const folded = stored.map((value, i) => value * factors[Math.floor(i / size)]!)
      await writeParameter(this.#arena, weight, fromStored(folded, weight))
      await writeParameter(this.#arena, parameters.get(`${convolution.name}.bias`)!, offsets)
    }
    this.#arena.updated()
  }

  /**
   * The features that images have before the network's last linear layer, means over all positions.
   *
   * images [N, H, W, C] of -1..1, f32 or bf16, C 1 (gray) or 3, of any size -> f32 [N, features], differentiable in the
   * images.
   * @throws ArgumentError where shape or dtype do not fit
   */
  features(images: Tensor): Tensor {
    checkArguments('Resnet', { images: [images, 'tensor'] })
    if (images.dtype === 'i32') throw new ArgumentError('images', 'be f32 or bf16', images, 'Resnet')
    if (images.rank !== 4 || !this.#scaling.takes(images.size(3)))
      throw new ArgumentError('images', 'have shape [*, *, *, 3] or [*, *, *, 1]', images, 'Resnet')
    return scope(() => this.#network.forward(cast(this.#scaling.forward(images), this.#arena.compute)))
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    if (this.#arena.freed) return
    this.#scaling[Symbol.dispose]()
    this.#arena[Symbol.dispose]()
  }
}

/** What a file's network costs, without its weights. Throws as `Resnet.load` where tensors are missing. */
export async function describeResnet(path: string): Promise<NetworkCosts> {
  await using file = await openWeights(path)
  const list = new ParameterList()
  const network = new ResnetNetwork(list, layersIn(file))
  return { parameters: list.parameterCount, workOn: (image) => network.workOn(image) }
}

/** A batch norm by its running statistics, as a factor and an offset of each channel. */
async function readNorm(
  file: SafetensorsReader,
  { norm, outputs }: NormedConvolution,
): Promise<{ factors: Float64Array; offsets: Float32Array }> {
  const read = (name: string) => readFinite(file, `${norm}.${name}`, [outputs], remedy)
  const [weight, bias] = [await read('weight'), await read('bias')]
  const [mean, variance] = [await read('running_mean'), await read('running_var')]
  const factors = Float64Array.from(weight, (value, i) => value / Math.sqrt(variance[i]! + normEps))
  return { factors, offsets: bias.map((value, i) => value - mean[i]! * factors[i]!) }
}
