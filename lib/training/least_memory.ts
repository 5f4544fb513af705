import type { ComputeType } from '../nn/arena.js'
import type { TrainingOptions } from './options.js'

/** Bytes that a parameter that is not trained takes at least: its value, and that rounded to what the model computes in. */
export const bytesPerFrozenParameter = (precision: ComputeType): number => (precision === 'bf16' ? 6 : 4)

/** Bytes that a parameter takes at least while it is trained: its value, its gradient, the optimizer's state, the average. */
export const bytesPerParameter = (
  precision: ComputeType,
  { optimizer, ema }: { optimizer: Pick<TrainingOptions['optimizer'], 'type'>; ema: number },
): number =>
  bytesPerFrozenParameter(precision) +
  4 +
  // AdamW has two moments; of Muon's matrices there is one.
  (optimizer.type === 'muon' ? 4 : 8) +
  (ema > 0 ? 4 : 0)
