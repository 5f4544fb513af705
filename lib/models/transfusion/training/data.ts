import type { DocumentStream, StreamState } from '../../../data/document_stream.js'
import { datasetSource } from '../../../data/sources/dataset_source.js'
import type { ImageDataset } from '../../../data/sources/image_dataset.js'
import { openStream } from '../../../data/stream/open_stream.js'
import type { PositionsOf } from '../../../data/stream/chunks.js'
import type { TransfusionConfig } from '../config.js'
import type { ModelParts } from '../io/folder.js'
import { imagePreprocessingOf } from '../../../sequence/image_model.js'
import { imagePart } from '../../../sequence/image_parts.js'
import { packingOf } from '../../../sequence/packing_options.js'
import { trainingSequence } from '../../../sequence/training_sequence.js'

/** Where a stream of documents is to begin. */
export interface StreamStart {
  /** The order of documents follows from it. */
  readonly seed: number
  /** As an earlier stream gave it; absent: at the beginning. */
  readonly state?: StreamState
  /** The most positions that a document may have; longer texts are cut. */
  readonly longest?: number
}

/** What to train on: captioned images by index, or what opens a stream of documents. */
export type TrainingData = ImageDataset | ((start: StreamStart) => DocumentStream | Promise<DocumentStream>)

/** Opens the stream that training reads. */
export function openTrainingData(
  data: TrainingData,
  model: Pick<ModelParts, 'tokenizer' | 'codec' | 'imagePreprocessing'> & {
    network: { config: TransfusionConfig }
  },
  start: StreamStart,
): DocumentStream | Promise<DocumentStream> {
  if (typeof data === 'function') return data(start)
  return openStream([{ source: datasetSource(data), weight: 1 }], {
    ...start,
    tokenizer: model.tokenizer,
    image: imagePreprocessingOf(model, model.imagePreprocessing),
    positionsOf: positionsOf(model),
  })
}

/** Counts the positions that a document takes in a batch of a model. */
export function positionsOf(
  model: Pick<ModelParts, 'codec'> & { network: { config: TransfusionConfig } },
): PositionsOf {
  const packing = packingOf(model.network.config)
  return ({ name, parts }) =>
    trainingSequence(
      {
        parts: parts.map((part) =>
          part.type === 'text' ? part : imagePart('image' in part ? part.image : part, model, name),
        ),
      },
      packing,
    ).length
}
