/** The codec that an autoencoder is for a model: of its latents, or, where images are tokens, of its codes. */
import type { CodecSizes, ImageCodec } from '../../image/codec.js'
import { CodeCodec, codeCodecSizes } from './code_codec.js'
import { AutoencoderCodec, type AutoencoderCodecOptions, codecSizesOfAutoencoder } from './codec.js'
import type { AutoencoderConfig } from './config.js'

/** What of a model's images says which codec it reads them by. */
interface CodedImages {
  /** Number of codes; absent where images are no tokens. */
  readonly codes?: number | undefined
}

/** The sizes of an autoencoder's codec for a model; undefined where its images are to be codes, and it has none. */
export const imageCodecSizes = (config: AutoencoderConfig, { codes }: CodedImages): CodecSizes | undefined =>
  codes === undefined ? codecSizesOfAutoencoder(config) : codeCodecSizes(config)

/** Reads an autoencoder's folder as a model's codec. Rejects as `AutoencoderCodec.load` and `CodeCodec.load`. */
export function loadImageCodec(
  path: string,
  { codes }: CodedImages,
  { calibration, ...options }: AutoencoderCodecOptions,
): Promise<ImageCodec> {
  return codes === undefined
    ? AutoencoderCodec.load(path, { ...options, calibration })
    : CodeCodec.load(path, options)
}
