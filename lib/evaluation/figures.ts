import { diversity } from './diversity.js'
import { type Features, takeRows } from './features.js'
import { frechetDistance, momentsOf } from './frechet.js'

/** Images as a judge sees them: classes [N] and features of each. */
export interface Judged {
  readonly classes: Int32Array
  readonly features: Features
}

/** What image figures are computed from. */
export interface ImageEvidence {
  /** Images that the model drew, and the class that each was asked to show. */
  readonly drawn: Judged
  readonly asked: Int32Array
  /** Real images that neither the model nor the judge was trained on, with their classes. */
  readonly test: Judged
  readonly testLabels: Int32Array
  /** Images of the training set, for scale. */
  readonly training: Judged
  /** The mean image of each class (see `classMeanImages`), for scale. */
  readonly classMeans: Judged
}

/** The demo's figures for drawn images, by the names that its figures.json has. */
export interface ImageFigures {
  /** Share of the test images whose class the judge finds. */
  readonly judge_accuracy: number
  /** Share of the drawn images judged to be of the class asked for. */
  readonly image_accuracy: number
  /** Distance between images of a class, drawn over test images; see diversity.ts. Classes are those asked for. */
  readonly diversity: number
  /** Fréchet distance between drawn and test images in the judge's features: smaller is better. */
  readonly frechet: number
  /** The same for a model that always draws the mean image of the class, as often as each was asked for. */
  readonly frechet_class_means: number
  /** The same for images of the training set: what perfect drawings would score. */
  readonly frechet_training: number
}

/** Share of equal entries. Throws a RangeError for lists of different or no length. */
export function accuracy(found: Int32Array, right: Int32Array): number {
  if (found.length !== right.length || found.length === 0)
    throw new RangeError(`accuracy: ${found.length} answers for ${right.length} questions`)
  return found.reduce((hits, value, i) => hits + Number(value === right[i]), 0) / found.length
}

/** Computes all figures of drawn images. Distances are only comparable between images seen by one judge. */
export async function imageFigures(evidence: ImageEvidence): Promise<ImageFigures> {
  const { drawn, asked, test, testLabels, training, classMeans } = evidence
  const testMoments = await momentsOf(test.features)
  const frechetOf = async (features: Features) => frechetDistance(await momentsOf(features), testMoments)
  return {
    judge_accuracy: accuracy(test.classes, testLabels),
    image_accuracy: accuracy(drawn.classes, asked),
    diversity: await diversity(
      { features: drawn.features, labels: asked },
      { features: test.features, labels: testLabels },
    ),
    frechet: await frechetOf(drawn.features),
    frechet_class_means: await frechetOf(takeRows(classMeans.features, asked)),
    frechet_training: await frechetOf(training.features),
  }
}

/** Indices of the first `count` images of each class, in the order of the labels. */
export function firstOfEachClass(labels: ArrayLike<number>, count: number): Int32Array {
  const taken = new Map<number, number>()
  return Int32Array.from(labels, (_, i) => i).filter((i) => {
    const before = taken.get(labels[i]!) ?? 0
    taken.set(labels[i]!, before + 1)
    return before < count
  })
}

/**
 * The mean image of each class: images [N, size] of bytes, labels [N] -> floats in -1..1 [classes, size].
 * @throws RangeError for a class without images
 */
export function classMeanImages(
  images: Uint8Array,
  labels: ArrayLike<number>,
  classes: number,
): Float32Array {
  const size = images.length / labels.length
  const sums = new Float64Array(classes * size)
  const counts = new Int32Array(classes)
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!
    counts[label]!++
    for (let k = 0; k < size; k++) sums[label * size + k]! += images[i * size + k]!
  }
  const missing = counts.indexOf(0)
  if (missing >= 0) throw new RangeError(`classMeanImages: class ${missing} has no images`)
  return Float32Array.from(sums, (sum, i) => sum / counts[Math.floor(i / size)]! / 127.5 - 1)
}
