import { checkArguments, checkOptions } from '../../../arguments.js'
import { listCaptionedFiles, listImageFiles, readCaption } from './captioned_files.js'
import type { CaptionPolicy, DocumentSource } from '../document_source.js'
import { indexedSource } from '../indexed_source.js'

/**
 * A folder of images with their captions beside them, at any depth, shuffled in each epoch: `name.png` and `name.txt`,
 * `name.caption` or `name.json`, which holds `caption` or `text`. An image without a caption is an unreadable document.
 * Where captions are 'ignored' documents are images alone. Rejects with an Error that names the folder where it has no images,
 * or none with a caption.
 */
export async function openFolderSource(
  folder: string,
  options: { captions?: CaptionPolicy } = {},
): Promise<DocumentSource> {
  checkArguments('openFolderSource', { folder: [folder, 'string'] })
  checkOptions('openFolderSource', options, { captions: true })
  const { captions = 'required' } = options
  if (captions === 'ignored') {
    const { images, leftOut } = await listImageFiles(folder)
    return indexedSource({
      length: images.length,
      leftOut,
      open: () => ({
        name: (index) => images[index]!,
        parts: async (index) => [{ type: 'image', path: images[index]! }],
      }),
    })
  }
  const { files, unreadable, leftOut } = await listCaptionedFiles(folder)
  return indexedSource({
    length: files.length,
    unreadable,
    leftOut,
    open: () => ({
      name: (index) => files[index]!.image,
      async parts(index) {
        const file = files[index]!
        return [
          { type: 'text', text: await readCaption(file) },
          { type: 'image', path: file.image },
        ]
      },
    }),
  })
}
