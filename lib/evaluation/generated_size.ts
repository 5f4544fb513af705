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

/** The side of the images that a model generates. Throws a RangeError unless they are square, in colour, and of `least` pixels or more. */
export function squareSide(callee: string, model: GenerativeModel, least: number): number {
  const { height, width, channels } = generatedSize(callee, model)
  if (height === width && channels === 3 && width >= least) return width
  throw new RangeError(
    `${callee}: the model must generate square pictures in colour from ${least} pixels, it generates ` +
      `${width} x ${height} ${channels === 3 ? 'in colour' : 'in grayscale'}`,
  )
}
