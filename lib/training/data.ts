import type { DocumentStream, StreamState } from '../data/document_stream.js'
import { sampleIndex } from '../data/sample_order.js'
import type { ImageDataset } from '../data/sources/image_dataset.js'

/** Where a stream of documents is to begin. */
export interface StreamStart {
  seed: number
  /** As an earlier stream gave it; absent: at the beginning. */
  state?: StreamState
  /** Most positions that a document may have; longer texts are cut. */
  longest?: number
}

/** What to train on: captioned images by index, or what opens a stream of documents. */
export type TrainingData = ImageDataset | ((start: StreamStart) => DocumentStream | Promise<DocumentStream>)

/** Opens the stream that training reads: a data set's samples in shuffled order, epoch after epoch. */
export async function openTrainingData(
  data: TrainingData,
  start: StreamStart,
  encode: (text: string) => Int32Array,
): Promise<DocumentStream> {
  if (typeof data === 'function') return data(start)
  let position = start.state?.sources[0]?.cursor?.['position'] ?? 0
  return {
    async next() {
      const index = sampleIndex(position, data.length, start.seed)
      const { parts } = await data.get(index)
      position++
      return {
        document: {
          name: `sample ${index}`,
          parts: parts.map((part) =>
            part.type === 'text' ? { type: 'text' as const, ids: encode(part.text) } : part,
          ),
        },
        state: { sources: [{ cursor: { position }, positions: 0, skipped: 0 }] },
      }
    },
    async close() {},
  }
}
