import type { TransfusionConfig } from '../config.js'
import { transfusionParameters } from '../model.js'
import { elementsOf } from '../../../tensor/shape.js'
import type { Parameter } from '../../../nn/parameters.js'
import { frozenNames } from '../freeze.js'
import { bytesPerFrozenParameter, bytesPerParameter } from '../../../training/least_memory.js'
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
  const all = transfusionParameters(sizes, training.lora)
  const frozen = frozenNames(transfusionParameters(sizes), training, 'training.')
  const trained = all.filter(({ name }) => !frozen.has(name))
  const [parameters, trainedParameters] = [all, trained].map((some) =>
    some.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
  ) as [number, number]
  const computed = precision === 'bf16' ? 2 : 4
  const images =
    training.batchTokens === undefined && imageEach.includes(data.type) ? (training.batchSize ?? 64) : 0
  const positions = Math.floor(images / training.gradientAccumulation) * patches
  return {
    parameters,
    weights:
      trainedParameters * bytesPerParameter(precision, training) +
      (parameters - trainedParameters) * bytesPerFrozenParameter(precision),
    batch: positions * sizes.channels * layersAbove(trained, sizes.layers) * computed,
  }
}

/** The layers through which a backward pass goes: those above the lowest parameter that is trained. */
function layersAbove(trained: readonly Parameter[], layers: number): number {
  const layerOf = ({ name }: Parameter) => {
    if (/^(embedding|patch_encoder)\./.test(name)) return -1
    return Number(/^layers\.(\d+)\./.exec(name)?.[1] ?? layers)
  }
  // The inputs of the lowest trained layer are kept for its weights' gradients alone: at least those above it are.
  return layers - 1 - Math.max(-1, Math.min(layers - 1, ...trained.map(layerOf)))
}
