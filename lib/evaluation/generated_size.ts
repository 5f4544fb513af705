import type { GenerativeModel } from '../generation/model.js'
import type { Image } from '../image/image.js'
import { requireCodec } from '../sequence/image_model.js'

/** Size and channels of the images, in pixels, that a model generates. Throws an Error where it has no codec. */
export function generatedSize(
  callee: string,
  model: GenerativeModel,
): Pick<Image, 'height' | 'width' | 'channels'> {
  const { downscale, imageChannels: channels } = requireCodec(model, callee)
  const { height, width } = model.network.config.image
  return { height: height * downscale, width: width * downscale, channels }
}
