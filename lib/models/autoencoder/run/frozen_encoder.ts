/** The frozen encoder that a run's config names. */
import { checksumOf } from '../../../files/checksum.js'
import { exists } from '../../../files/exists.js'
import type { ImageSize } from '../../../image/image.js'
import { encodeFrozen, type FrozenEncoder } from '../frozen/encoder.js'
import { loadOnnxEncoder } from '../frozen/onnx_encoder.js'
import type { LoadedAutoencoder } from '../io/folder.js'
import type { AutoencoderModelOptions } from '../model_options.js'

const setting = 'model.frozenEncoder.onnx'

/** Reads it; undefined where the config names none. Rejects with an Error that begins with the setting. */
export async function openEncoder({
  frozenEncoder,
}: Pick<AutoencoderModelOptions, 'frozenEncoder'>): Promise<FrozenEncoder | undefined> {
  if (!frozenEncoder) return undefined
  try {
    return await loadOnnxEncoder(frozenEncoder.onnx)
  } catch (error) {
    throw new Error(`${setting}: ${(error as Error).message}`, { cause: error })
  }
}

/** Rejects with an Error where the features of images of a size are not the latents that the config tells of. */
export async function checkEncoder(
  { network: { config }, encoder }: LoadedAutoencoder,
  { height, width }: ImageSize,
): Promise<void> {
  if (!encoder) return
  const channels = config.imageChannels
  const values = new Float32Array(height * width * channels)
  try {
    await encodeFrozen(encoder, config, [{ height, width, channels, values }])
  } catch (error) {
    throw new Error(`${setting}: ${(error as Error).message}`, { cause: error })
  }
}

/** Rejects with an Error where the config's encoder is still there and is not the one that a run has trained with. */
export async function refuseOtherEncoder(
  { encoder }: LoadedAutoencoder,
  { frozenEncoder }: Pick<AutoencoderModelOptions, 'frozenEncoder'>,
): Promise<void> {
  if (!frozenEncoder || !(await exists(frozenEncoder.onnx))) return
  if ((await checksumOf(frozenEncoder.onnx)) !== encoder?.checksum)
    throw new Error(
      `${setting}: expected the one that the run has trained with; received another, ${frozenEncoder.onnx}`,
    )
}
