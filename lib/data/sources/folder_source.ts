import { listCaptionedFiles, readCaption } from './captioned_files.js'
import type { DocumentSource } from './document_source.js'
import { indexedSource } from './indexed_source.js'

/**
 * A folder of images with their captions beside them (`name.png` and `name.txt`), at any depth, shuffled in each
 * epoch. Rejects with an Error that names the file, where an image has no caption or the folder has no images.
 */
export async function openFolderSource(folder: string): Promise<DocumentSource> {
  const files = await listCaptionedFiles(folder)
  return indexedSource({
    length: files.length,
    open: () => ({
      name: (index) => files[index]!.image,
      async parts(index) {
        const file = files[index]!
        return [
          { type: 'text', text: await readCaption(file) },
          { type: 'image', source: { path: file.image } },
        ]
      },
    }),
  })
}
