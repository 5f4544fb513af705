import { setImmediate } from 'node:timers/promises'
import { diversity } from './diversity.js'
import { countOf, type Features, takeRows } from './features.js'
import { frechetDistance, momentsOf } from './frechet.js'
import { kernelDistance } from './kid.js'

/** What a classifier gives for N images. */
export interface ClassifierOutput {
  /** `[N]`: the predicted class of each image, from 0. */
  readonly classes: Int32Array
  /** What the classifier's last layer reads. */
  readonly features: Features
}

/** What image metrics are computed from. */
export interface ImageMetricInputs {
  /** Images that the model generated. */
  readonly generated: ClassifierOutput
  /** `[N]`: the class of each generated image's caption. */
  readonly targets: Int32Array
  /** Real images that neither the model nor the classifier was trained on. */
  readonly test: ClassifierOutput
  /** `[N]`: the classes of the test images. */
  readonly testLabels: ArrayLike<number>
  /** Images of the training set, for scale. */
  readonly training: ClassifierOutput
  /** The mean image of each class (see `classMeanImages`), for scale. */
  readonly classMeans: ClassifierOutput
}

/** Metrics of generated images, by the names that JSON files have. */
export interface ImageMetrics {
  /** Share of the test images that the classifier recognises. */
  readonly classifier_accuracy: number
  /** Share of the generated images that the classifier recognises as of their target class. */
  readonly image_accuracy: number
  /** Distance between images of a class, of generated over that of test images, by target class; see diversity.ts. */
  readonly diversity: number
  /** Fréchet distance between generated and test images in the classifier's features: smaller is better. */
  readonly frechet: number
  /** The same for a model that always generates the mean image of the target class. */
  readonly frechet_class_means: number
  /** The same for images of the training set: what a perfect model would score. */
  readonly frechet_training: number
  /** Kernel distance between generated images and as many test images, the same number of each class; see kid.ts. */
  readonly kid: number
  /** Standard error of `kid`. */
  readonly kid_standard_error: number
  /** The same for the class's mean images, and for images of the training set. */
  readonly kid_class_means: number
  /** Kernel distance of images of the training set: what a perfect model would score. */
  readonly kid_training: number
}

/** Share of the predictions that equal their targets. Throws a RangeError for lists of different or no length. */
export function accuracy(predictions: ArrayLike<number>, targets: ArrayLike<number>): number {
  if (predictions.length !== targets.length || predictions.length === 0)
    throw new RangeError(
      `accuracy: predictions must be as many as the targets, at least one, received ${predictions.length} for ${targets.length}`,
    )
  let correct = 0
  for (let i = 0; i < predictions.length; i++) correct += Number(predictions[i] === targets[i])
  return correct / predictions.length
}

/**
 * Computes all metrics of generated images, in about a second for a thousand of them. Distances are comparable only where
 * one classifier gave all features.
 */
export function imageMetrics(inputs: ImageMetricInputs): ImageMetrics {
  const { generated, targets, test, testLabels, training, classMeans } = inputs
  const testMoments = momentsOf(test.features)
  const frechetOf = (features: Features) => frechetDistance(momentsOf(features), testMoments)
  const means = takeRows(classMeans.features, targets)
  const perClass = Math.ceil(targets.length / countOf(classMeans.features))
  const testSample = takeRows(test.features, firstOfEachClass(testLabels, perClass))
  const { kid, standardError } = kernelDistance(generated.features, testSample)
  return {
    classifier_accuracy: accuracy(test.classes, testLabels),
    image_accuracy: accuracy(generated.classes, targets),
    diversity: diversity(
      { features: generated.features, labels: targets },
      { features: test.features, labels: testLabels },
    ),
    frechet: frechetOf(generated.features),
    frechet_class_means: frechetOf(means),
    frechet_training: frechetOf(training.features),
    kid,
    kid_standard_error: standardError,
    kid_class_means: kernelDistance(means, testSample).kid,
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
  if (missing >= 0)
    throw new RangeError(
      `classMeanImages: labels must have each class once or more, received none of class ${missing}`,
    )
  return Float32Array.from(sums, (sum, i) => sum / counts[Math.floor(i / size)]! / 127.5 - 1)
}
