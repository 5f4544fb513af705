import type { BatchStatistics } from '../../../training/task.js'
import { elementsOf } from '../../../tensor/shape.js'
import type { TransfusionNetwork } from '../model.js'
import type { TransfusionBatch } from './batches.js'
import { trainingFlops } from './flops.js'
import type { TrainingBatch } from './loss.js'

/** What a step's batch is in numbers. */
export function batchStatistics(
  { microBatches, denominators, dataState }: TransfusionBatch,
  { config, arena }: Pick<TransfusionNetwork, 'config' | 'arena'>,
): BatchStatistics {
  const trained =
    arena.fixed.parameters.length > 0
      ? new Map(arena.parameters.map(({ name, shape }) => [name, elementsOf(shape)]))
      : undefined
  const total = (count: (packed: TrainingBatch['packed']) => number) =>
    microBatches.reduce((sum, { packed }) => sum + count(packed), 0)
  return {
    counts: {
      /** Of the sequences, patches included. */
      positions: total(({ ids }) => ids.length),
      /** Positions that have a token to learn. */
      targets: total(({ labels }) => labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0)),
      images: denominators.images,
    },
    flops: total((packed) => trainingFlops(config, packed, trained)),
    skippedDocuments: dataState.sources.reduce((sum, { skipped }) => sum + skipped, 0),
  }
}
