import { checkArguments } from '../../../arguments.js'
import type { DocumentStream, StreamState } from '../../../data/document_stream.js'
import { changedSources } from '../../../data/stream_state.js'
import type {
  BatchSource,
  RunStart,
  TaskCheckpoint,
  TrainingTask,
  UpdatedStep,
} from '../../../training/task.js'
import { joinValues } from '../../../image/codec.js'
import type { AutoencoderConfig } from '../config.js'
import { encodeFrozen, type FrozenEncoder } from '../frozen/encoder.js'
import { loadAutoencoderWeights, type LoadedAutoencoder, saveAutoencoder } from '../io/folder.js'
import {
  type ImageBatch,
  ImageBatchMaker,
  type ImageDataState,
  imageDataStateSchema,
  type TrainingImages,
} from './batches.js'
import { autoencoderFlops } from './flops.js'
import { autoencoderLoss, type Judges } from './loss.js'
import { adversarialAdamW, type AutoencoderTrainingOptions } from './options.js'

/** The images that an autoencoder is trained on: what opens a stream of documents, and the size of the images in it. */
export interface AutoencoderData {
  /** At the beginning, or where an earlier stream has ended. Texts in its documents are ignored. */
  readonly open: (start: { seed: number; state?: StreamState }) => DocumentStream | Promise<DocumentStream>
  /** All images have this size. */
  readonly images: TrainingImages
}

/**
 * What trains an autoencoder, and a discriminator beside it where that is one of the parts of its loss. Terms: those of
 * {@link autoencoderLoss}.
 */
export function autoencoderTask(
  autoencoder: LoadedAutoencoder,
  data: AutoencoderData,
  options: AutoencoderTrainingOptions,
  parts: Judges = {},
): TrainingTask<ImageBatch, ImageDataState> {
  checkArguments('autoencoderTask', {
    autoencoder: [autoencoder, 'autoencoder'],
    data: [data, 'object'],
    options: [options, 'object'],
  })
  const { network } = autoencoder
  const { discriminator, codes } = parts
  return {
    arena: network.arena,
    companions: discriminator
      ? [{ name: 'discriminator', arena: discriminator.arena, optimizer: companionOptimizer(options) }]
      : [],
    begin: (start) => begin(autoencoder, data, options, parts, start),
    loss: (batch) => autoencoderLoss(network, batch, data.images, options.loss, parts),
    ...(codes && { state: codes.state, afterUpdate: (step: UpdatedStep) => codes.afterUpdate(step) }),
    checkpoint: checkpointOf(autoencoder),
  }
}

/** The model's own; where that is Muon, which is for hidden layers that learn alone, AdamW with the default betas. */
const companionOptimizer = ({ optimizer }: AutoencoderTrainingOptions) =>
  optimizer.type === 'adamw' ? optimizer : adversarialAdamW

async function begin(
  { network, encoder }: LoadedAutoencoder,
  { open, images }: AutoencoderData,
  { batchSize, loss }: AutoencoderTrainingOptions,
  parts: Judges,
  { seed, gradientAccumulation, dataState, onWarning }: RunStart<ImageDataState>,
): Promise<BatchSource<ImageBatch, ImageDataState>> {
  const stream = await open({ seed, ...(dataState?.stream && { state: dataState.stream }) })
  const batches = new ImageBatchMaker(stream, images, dataState)
  let before = dataState?.stream
  return {
    async next(step) {
      const { microBatches, dataState } = await batches.make(step, { seed, batchSize, gradientAccumulation })
      const sources = dataState.stream?.sources ?? []
      if (dataState.stream) {
        changedSources(before, dataState.stream).forEach(onWarning)
        before = undefined
      }
      return {
        microBatches: encoder
          ? await Promise.all(
              microBatches.map((batch) => withLatents(encoder, network.config, images, batch)),
            )
          : microBatches,
        statistics: {
          counts: { images: batchSize },
          flops: batchSize * autoencoderFlops(network, images, step, loss, parts),
          skippedDocuments: sources.reduce((sum, { skipped }) => sum + skipped, 0),
        },
        dataState,
      }
    },
    close: () => stream.close(),
  }
}

/** A batch with the features that a frozen encoder has of its images. */
async function withLatents(
  encoder: FrozenEncoder,
  config: AutoencoderConfig,
  { height, width, channels }: TrainingImages,
  batch: ImageBatch,
): Promise<ImageBatch> {
  const size = height * width * channels
  const fields = Array.from({ length: batch.images }, (_, i) => ({
    height,
    width,
    channels,
    values: batch.values.subarray(i * size, (i + 1) * size),
  }))
  const latents = await encodeFrozen(encoder, config, fields)
  const [first] = latents
  return {
    ...batch,
    latents: {
      shape: [batch.images, first!.height, first!.width, first!.channels],
      values: joinValues(latents),
    },
  }
}

const checkpointOf = (autoencoder: LoadedAutoencoder): TaskCheckpoint<ImageDataState> => ({
  dataState: imageDataStateSchema,
  save: (folder, weights) => saveAutoencoder(folder, autoencoder, 'f32', weights),
  load: (folder, options) => loadAutoencoderWeights(autoencoder, folder, options),
})
