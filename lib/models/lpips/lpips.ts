import { checkArguments, checkOptions } from '../../arguments.js'
import { noGrad } from '../../autograd/tape.js'
import { openWeights, readFinite } from '../../files/safetensors/finite_floats.js'
import { SafetensorsError } from '../../files/safetensors/safetensors_header.js'
import { SafetensorsReader } from '../../files/safetensors/safetensors_reader.js'
import { type ComputeType, ParameterArena } from '../../nn/arena.js'
import { type ColorScale, ColorScaling } from '../../nn/color_scaling.js'
import type { ConvolutionWork, NetworkCosts } from '../../nn/convolution_work.js'
import type { ImageSize } from '../../image/image.js'
import { type Parameter, ParameterList } from '../../nn/parameters.js'
import { writeParameter } from '../../nn/parameter_values.js'
import { convolutionShape, fromStored } from '../../nn/stored_convolution.js'
import { add } from '../../ops/add.js'
import { cast } from '../../ops/cast.js'
import { perceptualDistance } from '../../ops/perceptual_distance.js'
import { ArgumentError } from '../../tensor/argument_error.js'
import { currentDevice, type Device, parseDevice } from '../../tensor/device.js'
import { keep, scope } from '../../tensor/scope.js'
import { sameShape } from '../../tensor/shape.js'
import type { Tensor } from '../../tensor/tensor.js'
import { leastSide, Vgg16Features } from './vgg.js'
import { headName, remedy, widthsIn } from './weights.js'

/** How the weights of LPIPS are read. */
export interface LoadLpipsOptions {
  /** bf16: the network's weights and features are rounded to bf16; images are scaled and distances summed in f32. */
  compute?: ComputeType
  /** Where the weights will lie and the network runs; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device
}

/**
 * LPIPS, how different two images look: a distance between the features that VGG16 has of them, weighted by five linear heads
 * which were fitted to people's judgments (Zhang et al. 2018, version 0.1). Its weights are frozen: they get no gradients.
 */
export class Lpips {
  readonly #arena: ParameterArena
  readonly #network: Vgg16Features
  readonly #heads: readonly Parameter[]
  /** Of each slice, f32 [C]. */
  readonly #headWeights: readonly Tensor[]
  readonly #scaling: ColorScaling

  private constructor(
    widths: readonly (readonly number[])[],
    scaling: ColorScale,
    compute: ComputeType = 'f32',
    device: Device,
  ) {
    if (!scaling?.scale) throw new TypeError('Lpips: it is made by Lpips.load')
    const list = new ParameterList()
    this.#network = new Vgg16Features(list, widths)
    this.#heads = widths.map((outputs, slice) => list.add(headName(slice), [outputs.at(-1)!], { value: 0 }))
    const fixed = (parameter: Parameter) => (this.#heads.includes(parameter) ? 'f32' : compute)
    this.#arena = new ParameterArena(list.parameters, compute, device, fixed)
    this.#headWeights = this.#heads.map((head) => keep(this.#arena.valuesOf(head)))
    this.#scaling = new ColorScaling(scaling, device)
  }

  /**
   * Reads a safetensors file of weights, under the names of PyPI's `lpips` with VGG16: scripts/lpips_weights.py makes one.
   * Widths are those of the file.
   * @throws SafetensorsError for a malformed file, and for a tensor that is missing, of another shape or not finite; the file
   *   system's error where it cannot be opened
   */
  static async load(path: string, options: LoadLpipsOptions = {}): Promise<Lpips> {
    checkArguments('Lpips.load', { path: [path, 'string'] })
    checkOptions('Lpips.load', options, { compute: true, device: true })
    const device = parseDevice(options.device ?? currentDevice(), 'Lpips.load')
    await using file = await openWeights(path)
    const widths = widthsIn(file)
    const shift = await readFinite(file, 'scaling_layer.shift', [1, 3, 1, 1], remedy)
    const scale = await readFinite(file, 'scaling_layer.scale', [1, 3, 1, 1], remedy)
    if (scale.includes(0))
      throw new SafetensorsError(
        `${path}: tensor "scaling_layer.scale" must have no zeros, it divides by them`,
      )
    const lpips = new Lpips(widths, { shift, scale }, options.compute, device)
    try {
      await lpips.#read(file)
    } catch (error) {
      lpips[Symbol.dispose]()
      throw error
    }
    return lpips
  }

  async #read(file: SafetensorsReader): Promise<void> {
    for (const parameter of this.#arena.everyParameter) {
      const { name, shape } = parameter
      const stored = this.#heads.includes(parameter) ? [1, ...shape, 1, 1] : convolutionShape(parameter)
      const values = await readFinite(file, name, stored, remedy)
      await writeParameter(this.#arena, parameter, fromStored(values, parameter))
    }
    this.#arena.updated()
  }

  /**
   * How different each image of y looks from that of x: 0 where they are equal.
   *
   * y, x [N, H, W, C] of -1..1, f32 or bf16, of the same shape, C 1 (gray) or 3 -> distances [N] f32. It has a derivative for y
   * alone; x is taken as a constant.
   * @throws ArgumentError where shapes or dtypes do not fit, and for images of less than 16 pixels a side
   */
  distance(y: Tensor, x: Tensor): Tensor {
    return scope(() => this.shares(y, x).reduce(add))
  }

  /** What the features of each of the five slices add to the distance: [N] f32 each. As `distance`. */
  shares(y: Tensor, x: Tensor): Tensor[] {
    this.#check(y, x)
    return scope(() => {
      const expected = noGrad(() => this.#features(x))
      return this.#features(y).map((features, slice) =>
        perceptualDistance(features, { b: expected[slice]!, weight: this.#headWeights[slice]! }),
      )
    })
  }

  /** Of the network's convolutions of one image. */
  workOn(image: ImageSize): ConvolutionWork {
    return this.#network.workOn(image)
  }

  #features(x: Tensor): Tensor[] {
    return scope(() => this.#network.forward(cast(this.#scaling.forward(x), this.#arena.compute)))
  }

  #check(y: Tensor, x: Tensor): void {
    const checked = { y, x }
    for (const [name, tensor] of Object.entries(checked)) {
      checkArguments('Lpips', { [name]: [tensor, 'tensor'] })
      const fail = (expected: string): never => {
        throw new ArgumentError(name, expected, tensor, 'Lpips')
      }
      if (tensor.dtype === 'i32') fail('be f32 or bf16')
      if (tensor.rank !== 4 || !this.#scaling.takes(tensor.size(3)))
        fail('have shape [*, *, *, 3] or [*, *, *, 1]')
      if (tensor.size(1) < leastSide || tensor.size(2) < leastSide)
        fail(`have images of at least ${leastSide} by ${leastSide} pixels`)
    }
    if (!sameShape(y.shape, x.shape))
      throw new ArgumentError('x', `have y's shape [${y.shape.join(', ')}]`, x, 'Lpips')
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    if (this.#arena.freed) return
    for (const tensor of this.#headWeights) tensor.free()
    this.#scaling[Symbol.dispose]()
    this.#arena[Symbol.dispose]()
  }
}

/** What a file's network costs, without its weights. Throws as `Lpips.load` where tensors are missing or of other shapes. */
export async function describeLpips(path: string): Promise<NetworkCosts> {
  await using file = await openWeights(path)
  const list = new ParameterList()
  const network = new Vgg16Features(list, widthsIn(file))
  return { parameters: list.parameterCount, workOn: (image) => network.workOn(image) }
}
