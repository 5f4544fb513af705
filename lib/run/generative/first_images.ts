import { decodePart } from '../../data/stream/preprocessor.js'
import type { WeightedSource } from '../../data/stream/open_stream.js'
import type { Image } from '../../image/image.js'
import type { ImagePreprocessing } from '../../image/image_preprocessing.js'

/** Documents that are looked at for each image that is wanted: most data has an image in each, some has none. */
const documentsPerImage = 16

/**
 * Up to `count` images of the data, decoded: the first of each source, as many of each, in the order of the first epoch of
 * `seed`, so that the same data gives the same. Images that cannot be decoded are left out; training tells of them.
 */
export async function firstImages(
  sources: readonly WeightedSource[],
  seed: number,
  count: number,
  preprocessing: ImagePreprocessing,
): Promise<Image[]> {
  const ofEach = Math.ceil(count / sources.length)
  const images = await Promise.all(
    sources.map(async ({ source }) => {
      const found: Image[] = []
      let seen = 0
      const most = Math.min(ofEach * documentsPerImage, source.length ?? Infinity)
      for await (const { document } of source.read(seed)) {
        if ('parts' in document)
          for (const part of document.parts) {
            if (part.type === 'text' || 'values' in part || found.length === ofEach) continue
            const image = await decodePart(document.name, part, preprocessing).catch(() => undefined)
            if (image) found.push(image)
          }
        if (++seen >= most || found.length === ofEach) break
      }
      return found
    }),
  )
  return images.flat().slice(0, count)
}
