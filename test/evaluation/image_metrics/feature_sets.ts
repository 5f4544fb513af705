import { readFile } from 'node:fs/promises'
import { readSafetensors } from '../../../lib/files/safetensors/safetensors.js'
import type { Features } from '../../../lib/evaluation/image_metrics/features.js'

const folder = new URL('../../fixtures/features/', import.meta.url)

/** Two sets of feature vectors and the distances between them by SciPy and NumPy; see the fixture's README. */
export async function featureSets(): Promise<{ a: Features; b: Features; frechet: number; kid: number }> {
  const { tensors } = await readSafetensors(new URL('features.safetensors', folder).pathname)
  const figures = JSON.parse(await readFile(new URL('features.json', folder), 'utf8'))
  const set = (name: string) => {
    const { shape, data } = tensors.get(name)!
    return { data: data as Float32Array, width: shape[1]! }
  }
  return { a: set('a'), b: set('b'), frechet: figures.frechet_distance, kid: figures.kid }
}
