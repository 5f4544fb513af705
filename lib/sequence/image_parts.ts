import { checkArguments } from '../arguments.js'
import { describe } from '../describe.js'
import { joinValues, splitValues } from '../image/codec.js'
import type { EncodedImage, Image } from '../image/image.js'
import { pixelValues } from '../image/image_source.js'
import type { ImagePart } from './document.js'
import { patchGrid } from './metadata.js'
import { type ImageModel, requireCodec } from './image_model.js'

/** An image part that carries its pixels; its size is in positions of the model. */
export interface PixelPart extends ImagePart {
  /** The part's size times the codec's downscale factor. */
  readonly image: Image
}

/** An image part that carries the values that the model reads. */
export interface EncodedPart extends ImagePart, EncodedImage {}

/** What a model reads as an image: pixels, which its codec encodes, or the values themselves. */
export type ImageInput = PixelPart | EncodedPart

/**
 * An image, or the values of one, as a part of a document. Throws a RangeError, which begins with `what`, when it has other
 * channels than the model reads, is not cut evenly into patches, or has more or fewer values than its size says, a TypeError
 * when its data are of another type, and an Error for pixels where the model has no codec. Of what has no `channels`, such as
 * a canvas's ImageData, the number of values tells them.
 */
export function imagePart(
  image: Image | (EncodedImage & { unscaled?: true }),
  model: ImageModel,
  what: string,
): ImageInput {
  checkArguments(what ?? 'imagePart', { image: [image, 'size'], model: [model, 'object'] })
  checkArguments(what ?? 'imagePart', { 'model.network.config': [model.network?.config, 'config'] })
  return 'values' in image ? encodedPart(image, model, what) : pixelPart(image, model, what)
}

function encodedPart(
  { height, width, values, unscaled }: EncodedImage & { unscaled?: true },
  model: ImageModel,
  what: string,
): EncodedPart {
  const { channels, patch } = model.network.config.image
  if (!(values instanceof Float32Array))
    throw new TypeError(`${what}: an image's values must be a Float32Array, received ${describe(values)}`)
  patchGrid({ height, width }, patch)
  const expected = height * width * channels
  if (values.length !== expected)
    throw new RangeError(
      `${what}: values must be ${expected}, for ${width} x ${height} positions of ${channels} channels, ` +
        `received ${values.length}`,
    )
  return { type: 'image', height, width, values: unscaled ? scaled(values, model, what) : values }
}

function scaled(latents: Float32Array, model: ImageModel, what: string): Float32Array {
  const codec = requireCodec(model, what)
  if (codec.scaleLatents) return codec.scaleLatents(latents)
  throw new Error(
    `${what}: latents of an autoencoder, which the model's codec (${codec.config.type}) does not read: it must be that autoencoder`,
  )
}

function pixelPart(image: Image, model: ImageModel, what: string): PixelPart {
  const { patch } = model.network.config.image
  const { imageChannels, downscale } = requireCodec(model, what)
  const { width, height } = image
  const data = pixelValues(image.data)
  if (!data)
    throw new TypeError(
      `${what}: an image's data must be a Uint8Array, values 0..255, received ${describe(image.data)}`,
    )
  const channels: number = image.channels ?? data.length / (width * height)
  if (channels !== imageChannels)
    throw new RangeError(
      `${what}: an image must have ${imageChannels} channels, as the model reads it and readImage gives it, received ` +
        describe(channels),
    )
  const part = { type: 'image', height: height / downscale, width: width / downscale } as const
  patchGrid(part, patch)
  const values = width * height * channels
  if (data.length !== values)
    throw new RangeError(
      `${what}: an image's data must be ${values} values, for ${width} x ${height} pixels of ${channels} channels, ` +
        `received ${data.length}`,
    )
  const isImage = image.channels && data === image.data
  return { ...part, image: isImage ? image : { width, height, channels: imageChannels, data } }
}

/**
 * The values [S, C] of images in a row; pixels are encoded together by the model's codec. Rejects with a RangeError where the
 * codec gives more or fewer values than the images' sizes say.
 */
export async function encodeImages(parts: readonly ImageInput[], model: ImageModel): Promise<Float32Array> {
  const pixels = parts.filter((part) => 'image' in part)
  const encoded = await encodePixels(pixels, model)
  if (pixels.length === parts.length) return encoded
  const images = splitValues(encoded, pixels, model.network.config.image.channels).values()
  return joinValues(parts.map((part) => ('values' in part ? part : images.next().value!)))
}

async function encodePixels(parts: readonly PixelPart[], model: ImageModel): Promise<Float32Array> {
  if (parts.length === 0) return new Float32Array(0)
  const values = await requireCodec(model, 'encodeImages').encode(parts.map(({ image }) => image))
  const { channels } = model.network.config.image
  const expected = parts.reduce((sum, { height, width }) => sum + height * width * channels, 0)
  if (!(values instanceof Float32Array) || values.length !== expected)
    throw new RangeError(
      `codec.encode: must return a Float32Array of ${expected} values, as the sizes of its images say, received ` +
        describe(values),
    )
  return values
}

/** An image, or the values of one, as a part of a document that is encoded already. Rejects as {@link imagePart} throws. */
export async function encodedImagePart(
  image: Image | EncodedImage,
  model: ImageModel,
  what: string,
): Promise<EncodedPart> {
  const part = imagePart(image, model, what)
  if ('values' in part) return part
  const { type, height, width } = part
  return { type, height, width, values: await encodeImages([part], model) }
}
