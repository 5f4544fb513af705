import { checkArguments } from '../../arguments.js'
import type { DocumentSource } from './document_source.js'
import type { ImageDataset } from './image_dataset.js'
import { indexedSource } from './indexed_source.js'

/** The samples of a data set as documents for training, shuffled in each epoch. */
export function datasetSource(dataset: ImageDataset): DocumentSource {
  checkArguments('datasetSource', { dataset: [dataset, 'dataset'] })
  return indexedSource({
    length: dataset.length,
    open: () => ({
      name: (index) => `sample ${index}`,
      async parts(index) {
        const { parts } = await dataset.get(index)
        return parts
      },
    }),
  })
}
