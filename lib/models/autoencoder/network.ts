import { parseConfig } from '../../config/parse.js'
import { type ComputeType, ParameterArena } from '../../nn/arena.js'
import type { FixedStorage } from '../../nn/fixed_parameters.js'
import { Linear } from '../../nn/linear.js'
import { type Parameter, ParameterList } from '../../nn/parameters.js'
import { reshape } from '../../ops/reshape.js'
import { split } from '../../ops/split.js'
import { currentDevice, type Device } from '../../tensor/device.js'
import { scope } from '../../tensor/scope.js'
import type { Tensor } from '../../tensor/tensor.js'
import { Codebook } from './codebook.js'
import {
  type AutoencoderConfig,
  autoencoderConfigSchema,
  type AutoencoderOptions,
  latentChannelsOf,
} from './config.js'
import { AutoencoderDecoder } from './decoder.js'
import { AutoencoderEncoder } from './encoder.js'

/** A model's modules; their parameters are collected in `list`, and get memory when an arena is made of it. */
function makeModules(list: ParameterList, config: AutoencoderConfig) {
  const { latentChannels, codebook, frozenEncoder } = config
  // Of a KL autoencoder a mean and a log-variance.
  const encoded = codebook ? latentChannels : 2 * latentChannels
  const channels = latentChannelsOf(config)
  const quantized = codebook ? channels : encoded
  const pointwise = (name: string, inputs: number, outputs: number) =>
    new Linear(list.under(name), inputs, outputs, { bias: true })
  return {
    encoder: frozenEncoder ? undefined : new AutoencoderEncoder(list.under('encoder'), config, encoded),
    quantConv: config.quantConv && !frozenEncoder ? pointwise('quant_conv', encoded, quantized) : undefined,
    codebook: codebook ? new Codebook(list.under('quantize'), codebook.codes, channels) : undefined,
    postQuantConv: config.postQuantConv ? pointwise('post_quant_conv', channels, latentChannels) : undefined,
    decoder: new AutoencoderDecoder(list.under('decoder'), config),
  }
}

/** Names and shapes of the parameters of an autoencoder with these options; allocates nothing. Throws a ConfigError. */
export function autoencoderParameters(options: AutoencoderOptions): readonly Parameter[] {
  const list = new ParameterList()
  makeModules(list, parseConfig(autoencoderConfigSchema, options, 'autoencoder config'))
  return list.parameters
}

/** What a KL autoencoder's encoder says of an image: an independent normal distribution for each value of its latent. */
export interface LatentDistribution {
  /** [N, h, w, L]. */
  readonly mean: Tensor
  /** [N, h, w, L], as the encoder gives it: diffusers clamps it to -30 .. 20 where it is used. */
  readonly logVariance: Tensor
}

/**
 * An autoencoder between images and latents (paper, section 3: "we use a VAE"; Esser et al. 2021): a KL autoencoder, or with
 * a codebook a VQ-VAE; with a frozen encoder, which lies beside it, a decoder alone. Images are [N, H, W, image channels] of -1 .. 1, latents [N, h, w, C], channels last, with h =
 * floor(H / downscale). Parameters have the names of diffusers' files.
 */
export class AutoencoderNetwork {
  /** Sizes. */
  readonly config: AutoencoderConfig
  /** The weights. */
  readonly arena: ParameterArena
  readonly #modules: ReturnType<typeof makeModules>

  /** Makes the modules, with parameters of zero until `arena.initialize` or weights from a file. Throws a ConfigError. */
  constructor(
    options: AutoencoderOptions,
    compute: ComputeType = 'f32',
    device: Device = currentDevice(),
    /** Which parameters are not trained, and how those are kept. */
    fixed?: FixedStorage,
  ) {
    this.config = parseConfig(autoencoderConfigSchema, options, 'autoencoder config')
    const list = new ParameterList()
    this.#modules = makeModules(list, this.config)
    this.arena = new ParameterArena(list.parameters, compute, device, fixed)
  }

  /** The codes of a VQ-VAE. Throws an Error for a KL autoencoder. */
  get codebook(): Codebook {
    const { codebook } = this.#modules
    if (!codebook) throw new Error('a KL autoencoder has no codebook')
    return codebook
  }

  /**
   * What encoder and quant convolution give: [N, h, w, 2 L], means and log-variances one after the other, or of a VQ-VAE [N,
   * h, w, C], the vectors before they are rounded to codes.
   */
  encoded(x: Tensor): Tensor {
    const { encoder, quantConv } = this.#modules
    if (!encoder) throw new Error('the encoder of a representation autoencoder is none of its network')
    const h = encoder.forward(x)
    return quantConv?.forward(h) ?? h
  }

  /** The latents' distribution, of a KL autoencoder. Throws an Error for a VQ-VAE. */
  distribution(x: Tensor): LatentDistribution {
    if (this.config.codebook) throw new Error('a VQ-VAE has codes, not a distribution of latents')
    const { latentChannels } = this.config
    const [mean, logVariance] = scope(() => split(this.encoded(x), [latentChannels, latentChannels], 3)) as [
      Tensor,
      Tensor,
    ]
    return { mean, logVariance }
  }

  /** The latents of images: the mean of their distribution, or of a VQ-VAE the vectors before they are rounded to codes. */
  encode(x: Tensor): Tensor {
    return scope(() => (this.config.codebook ? this.encoded(x) : this.distribution(x).mean))
  }

  /** The codes of images, of a VQ-VAE: [N, h, w] i32. */
  encodeToCodes(x: Tensor): Tensor {
    return scope(() => {
      const z = this.encoded(x)
      const [images, height, width, channels] = z.shape as [number, number, number, number]
      return reshape(this.codebook.nearest(reshape(z, [-1, channels])), [images, height, width])
    })
  }

  /** Latents to images; those of a VQ-VAE are vectors of codes, and are not rounded again. */
  decode(z: Tensor): Tensor {
    const { postQuantConv, decoder } = this.#modules
    return scope(() => decoder.forward(postQuantConv?.forward(z) ?? z))
  }

  /**
   * As `decode`, for losses that need gradients at the decoder's last layer: `lastLayerGradient` gives that of its weight, f32,
   * for a gradient of the images, on no tape.
   */
  decodeForTraining(z: Tensor): { images: Tensor; lastLayerGradient: (dimages: Tensor) => Tensor } {
    const { postQuantConv, decoder } = this.#modules
    const features = scope(() => decoder.features.forward(postQuantConv?.forward(z) ?? z))
    return {
      images: decoder.output.forward(features),
      lastLayerGradient: (dimages) => decoder.output.weightGradient(dimages, features),
    }
  }

  /** Codes [N, h, w] i32 to images, of a VQ-VAE. */
  decodeCodes(codes: Tensor): Tensor {
    return scope(() => this.decode(this.codebook.vectors(codes)))
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.arena[Symbol.dispose]()
  }
}
