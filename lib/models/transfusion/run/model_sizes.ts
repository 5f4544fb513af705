import { feedForwardOf } from '../config.js'
import type { TransfusionNetwork } from '../model.js'
import { patchGrid } from '../../../sequence/metadata.js'

/** A model's sizes in one line: what its config, its preset and its tokenizer come to. */
export function modelSizes({ config, arena }: Pick<TransfusionNetwork, 'config' | 'arena'>): string {
  const { layers, channels, heads, kvHeads = heads, image } = config
  const { rows, columns } = patchGrid(image, image.patch)
  const ofImage = image.codes
    ? `codes per image (${rows} x ${columns}, of ${image.codes})`
    : `patches per image (${rows} x ${columns}, ${image.patch ** 2 * image.channels} values each)`
  return [
    `layers ${layers}`,
    `channels ${channels}`,
    `heads ${heads}`,
    ...(kvHeads === heads ? [] : [`kvHeads ${kvHeads}`]),
    `feedForward ${feedForwardOf(config)}`,
    `${rows * columns} ${ofImage}`,
    ...(image.weights === 'shared' ? [] : [`image weights ${image.weights}`]),
    `${config.vocabulary} tokens`,
    `${arena.parameterCount.toLocaleString('en')} parameters`,
    ...(arena.fixed.parameters.length === 0
      ? []
      : [`${arena.trainedCount.toLocaleString('en')} of them trained`]),
  ].join(', ')
}
