import type { EncodedImage, Image } from '../image/image.js'
import type { GenerationEvent } from './events.js'
import type { PictureFolder } from '../image/picture_folder.js'

/** An event of a generation whose images are written into files. */
export type SavedEvent =
  | Exclude<GenerationEvent, { image: Image } | { latent: EncodedImage }>
  | (Extract<GenerationEvent, { type: 'preview' }> & { file: string | undefined })
  | (Extract<GenerationEvent, { type: 'image' }> & { file: string })

/** Writes the images of a generation into a folder, its previews where `previews` says so; yields each event with its file. */
export async function* savePictures(
  events: AsyncIterable<GenerationEvent>,
  folder: PictureFolder,
  previews: boolean,
): AsyncGenerator<SavedEvent, void, undefined> {
  let number = 0
  for await (const event of events)
    switch (event.type) {
      case 'image-start':
        number = folder.reserve()
        yield event
        break
      case 'preview': {
        const file = previews ? await folder.writePreview(number, event.step, event.image) : undefined
        yield { ...event, file }
        break
      }
      case 'image':
        yield { ...event, file: await folder.write(number, event.image) }
        break
      case 'latent':
        throw new Error(
          'picture: the model has no autoencoder: what it generates are values, not pixels, and no file of a picture holds them',
        )
      default:
        yield event
    }
}

/** An event as JSON: images as the paths of their files, and their sizes. */
export function eventJson(event: SavedEvent): object {
  if (event.type !== 'preview' && event.type !== 'image') return event
  const { image, ...rest } = event
  return { ...rest, width: image.width, height: image.height }
}
