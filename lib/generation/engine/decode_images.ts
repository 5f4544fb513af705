import { describe } from '../../describe.js'
import { type ImageCodec, joinValues } from '../../image/codec.js'
import type { EncodedImage, Image, ImageSize } from '../../image/image.js'

/** How values become images. */
export type Decode = (values: Float32Array, sizes: readonly ImageSize[]) => Image[] | Promise<Image[]>

/** Decodes one image by a codec. */
export const decodeImage = async (codec: ImageCodec, encoded: EncodedImage): Promise<Image> =>
  (await decodeAll([encoded], (values, sizes) => codec.decode(values, sizes)))[0]!

/** Decodes images together. Rejects with a RangeError where others come back than were asked for. */
export async function decodeAll(encoded: readonly EncodedImage[], decode: Decode): Promise<Image[]> {
  const images = await decode(joinValues(encoded), encoded)
  if (images?.length !== encoded.length)
    throw new RangeError(
      `codec.decode: must return as many images as sizes, ${encoded.length}, received ${describe(images)}`,
    )
  return images
}
