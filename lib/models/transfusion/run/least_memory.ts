import type { TransfusionConfig } from '../config.js'
import { transfusionParameters } from '../model.js'
import { elementsOf } from '../../../tensor/shape.js'
import { bytesPerParameter } from '../../../training/least_memory.js'
import type { RunSettings } from './settings.js'

/** Data of which each document has one image. */
const imageEach: readonly string[] = [
  'folder',
  'idx',
  'fashion-mnist',
] satisfies RunSettings['data']['type'][]

/**
 * Bytes that training takes at least: `weights`, those of the parameters, their gradients, the optimizer's state and their
 * average, and `batch`, each block's input, which is kept for its backward pass. What else a step takes is not counted.
 */
export function leastMemory(
  sizes: TransfusionConfig,
  { data, precision, training }: Pick<RunSettings, 'data' | 'precision' | 'training'>,
  patches: number,
): { parameters: number; weights: number; batch: number } {
  const parameters = transfusionParameters(sizes).reduce((sum, { shape }) => sum + elementsOf(shape), 0)
  const computed = precision === 'bf16' ? 2 : 4
  const images =
    training.batchTokens === undefined && imageEach.includes(data.type) ? (training.batchSize ?? 64) : 0
  const positions = Math.floor(images / training.gradientAccumulation) * patches
  return {
    parameters,
    weights: parameters * bytesPerParameter(precision, training),
    batch: positions * sizes.channels * sizes.layers * computed,
  }
}
