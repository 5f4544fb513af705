import { sampleIndex } from '../../data/sample_order.js'
import { bytesToFloats } from '../../image/pixels.js'
import { crossEntropy } from '../../ops/cross_entropy.js'
import { mean } from '../../ops/reduce.js'
import { fromArray } from '../../tensor/tensor.js'
import type { TrainingTask } from '../../training/task.js'
import { classifierBatch, type ClassifierNetwork } from './classifier_network.js'

/** A batch of images as the network reads them. */
interface LabelledBatch {
  /** `[64, height, width, channels]`, -1..1. */
  readonly pixels: Float32Array
  /** `[64]` */
  readonly labels: Int32Array
}

/** Images in a row, bytes, with the class of each. */
export interface ClassifierImages {
  readonly images: Uint8Array
  readonly labels: ArrayLike<number>
}

/** What trains a classifier: batches of 64 images in shuffled order, and the mean cross-entropy of their classes. */
export const classifierTask = (
  network: ClassifierNetwork,
  { images, labels }: ClassifierImages,
): TrainingTask<LabelledBatch, undefined> => ({
  arena: network.arena,
  begin: ({ seed }) => ({
    next(step) {
      const chosen = Array.from({ length: classifierBatch }, (_, i) =>
        sampleIndex(step * classifierBatch + i, labels.length, seed),
      )
      const batch = {
        pixels: pixelsOf(images, chosen, images.length / labels.length),
        labels: Int32Array.from(chosen, (index) => labels[index]!),
      }
      return {
        microBatches: [batch],
        statistics: { counts: { images: classifierBatch } },
        dataState: undefined,
      }
    },
  }),
  loss({ pixels, labels }) {
    const loss = mean(crossEntropy(network.forward(pixels).logits, fromArray(labels)))
    return { total: loss, terms: { cross_entropy: loss } }
  },
})

/** The chosen images, of `size` bytes each, as floats one after the other. */
function pixelsOf(images: Uint8Array, chosen: readonly number[], size: number): Float32Array {
  const pixels = new Float32Array(chosen.length * size)
  chosen.forEach((index, i) =>
    bytesToFloats(images.subarray(index * size, (index + 1) * size), pixels.subarray(i * size)),
  )
  return pixels
}
