import { ArgumentError, checkDType, checkRank, checkShape } from '../tensor/check.js'
import type { Tensor } from '../tensor/tensor.js'

/**
 * Checks the per-image arguments of an op: imageRows [N + 1] i32, by which image i owns rows imageRows[i] to
 * imageRows[i + 1] - 1; seeds [N, 4] i32; the others [N] f32. Returns N.
 */
export function checkImages(imageRows: Tensor, seeds: Tensor, perImage: Record<string, Tensor>): number {
  checkDType('imageRows', imageRows, 'i32')
  checkRank('imageRows', imageRows, 1)
  if (imageRows.elements === 0) throw new ArgumentError('imageRows', 'have at least one element', imageRows)
  const images = imageRows.size(0) - 1
  checkDType('seeds', seeds, 'i32')
  checkShape('seeds', seeds, [images, 4])
  for (const [name, tensor] of Object.entries(perImage)) {
    checkDType(name, tensor, 'f32')
    checkShape(name, tensor, [images])
  }
  return images
}
