import { setImmediate } from 'node:timers/promises'
import { diversity } from './diversity.js'
import { countOf, type Features, takeRows } from './features.js'
import { frechetDistance, momentsOf } from './frechet.js'
import { kernelDistance } from './kid.js'

/** Images as a judge sees them: classes [N] and features of each. */
export interface Judged {
  /** The class that the judge finds in each image, from 0. */
  readonly classes: Int32Array
  /** What the judge's last layer reads. */
  readonly features: Features
}

/** What image figures are computed from. */
export interface ImageEvidence {
  /** Images that the model drew, and the class that each was asked to show. */
  readonly drawn: Judged
  /** `[N]`: the class that each drawn image was to show. */
  readonly asked: Int32Array
  /** Real images that neither the model nor the judge was trained on, with their classes. */
  readonly test: Judged
  /** `[N]`: the classes of the test images. */
  readonly testLabels: ArrayLike<number>
  /** Images of the training set, for scale. */
  readonly training: Judged
  /** The mean image of each class (see `classMeanImages`), for scale. */
  readonly classMeans: Judged
}

/** Figures of drawn images, by the names that JSON files have. */
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
  /** Kernel distance between drawn images and as many test images, the same number of each class; see kid.ts. */
  readonly kid: number
  /** Of `kid`, over its subsets. */
  readonly kid_standard_error: number
  /** The same for the class's mean images, and for images of the training set. */
  readonly kid_class_means: number
  /** Kernel distance of images of the training set: what perfect drawings would score. */
  readonly kid_training: number
}

/** Share of equal entries. Throws a RangeError for lists of different or no length. */
export function accuracy(found: ArrayLike<number>, right: ArrayLike<number>): number {
  if (found.length !== right.length || found.length === 0)
    throw new RangeError(`accuracy: ${found.length} answers for ${right.length} questions`)
  let hits = 0
  for (let i = 0; i < found.length; i++) hits += Number(found[i] === right[i])
  return hits / found.length
}

/**
 * Computes all figures of drawn images, in about a second for a thousand of them. Distances are only comparable
 * between images seen by one judge.
 */
export function imageFigures(evidence: ImageEvidence): ImageFigures {
  const { drawn, asked, test, testLabels, training, classMeans } = evidence
  const testMoments = momentsOf(test.features)
  const frechetOf = (features: Features) => frechetDistance(momentsOf(features), testMoments)
  const meansAsked = takeRows(classMeans.features, asked)
  const perClass = Math.ceil(asked.length / countOf(classMeans.features))
  const testSample = takeRows(test.features, firstOfEachClass(testLabels, perClass))
  const { kid, standardError } = kernelDistance(drawn.features, testSample)
  return {
    judge_accuracy: accuracy(test.classes, testLabels),
    image_accuracy: accuracy(drawn.classes, asked),
    diversity: diversity(
      { features: drawn.features, labels: asked },
      { features: test.features, labels: testLabels },
    ),
    frechet: frechetOf(drawn.features),
    frechet_class_means: frechetOf(meansAsked),
    frechet_training: frechetOf(training.features),
    kid,
    kid_standard_error: standardError,
    kid_class_means: kernelDistance(meansAsked, testSample).kid,
    kid_training: kernelDistance(training.features, testSample).kid,
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

const imagesAtOnce = 100

/**
 * The mean image of each class: images [N, size] of bytes, labels [N] -> floats in -1..1 [classes, size]. Leaves the
 * event loop free every hundred images. Rejects with a RangeError for a class without images.
 */
export async function classMeanImages(
  images: Uint8Array,
  labels: ArrayLike<number>,
  classes: number,
): Promise<Float32Array> {
  const size = images.length / labels.length
  const sums = new Float64Array(classes * size)
  const counts = new Int32Array(classes)
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!
    if (i % imagesAtOnce === imagesAtOnce - 1) await setImmediate()
    counts[label]!++
    for (let k = 0; k < size; k++) sums[label * size + k]! += images[i * size + k]!
  }
  const missing = counts.indexOf(0)
  if (missing >= 0) throw new RangeError(`classMeanImages: class ${missing} has no images`)
  return Float32Array.from(sums, (sum, i) => sum / counts[Math.floor(i / size)]! / 127.5 - 1)
}
