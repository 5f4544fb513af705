import { distancesWithin, diversityOf } from './diversity.js'
import { takeRows } from './features.js'
import { accuracy, type ImageMetricInputs, type ImageMetrics } from './image_metrics.js'
import { frechetDistance, momentsOf } from './frechet.js'
import { squaredDeviations } from './moments.js'

/** More groups gain little: with ten the error of a standard error is about a quarter of it. */
const mostGroups = 10

/** The metrics of generated images that have standard errors. */
export type StandardErrors = Pick<ImageMetrics, 'image_accuracy' | 'diversity' | 'frechet'>

/**
 * Standard errors: how much metrics would vary between sets of images of the same model. By the delete-a-group jackknife
 * (Tukey 1958): the images are dealt to G groups, each with its share of every class, and a metric is computed without
 * each of them in turn; its error is sqrt((G - 1) / G sum (f_g - mean f)^2). The bias of a Fréchet distance of few images
 * is common to all f_g and cancels out. (Where generated and real images have one distribution, the distance is at its
 * minimum and its error comes out up to sqrt(2) times too large.)
 * @throws RangeError for a class with fewer than three images: its diversity without one of them needs two
 */
export function standardErrors({
  generated,
  targets,
  test,
  testLabels,
}: Pick<ImageMetricInputs, 'generated' | 'targets' | 'test' | 'testLabels'>): StandardErrors {
  const places = placesInClass(targets)
  const counts = new Map<number, number>()
  for (const label of targets) counts.set(label, (counts.get(label) ?? 0) + 1)
  const least = Math.min(...counts.values())
  if (least < 3)
    throw new RangeError(
      `standardErrors: targets must have each class 3 times or more, received one ${least} times`,
    )
  const groups = Math.min(mostGroups, least)
  const testMoments = momentsOf(test.features)
  const testDistances = distancesWithin({ features: test.features, labels: testLabels })

  const without = Array.from({ length: groups }, (_, group) => {
    const rows = Int32Array.from(targets.keys()).filter((row) => places[row]! % groups !== group)
    const features = takeRows(generated.features, rows)
    const labels = rows.map((row) => targets[row]!)
    return {
      image_accuracy: accuracy(
        rows.map((row) => generated.classes[row]!),
        labels,
      ),
      diversity: diversityOf(distancesWithin({ features, labels }), testDistances),
      frechet: frechetDistance(momentsOf(features), testMoments),
    }
  })
  const errorOf = (name: keyof StandardErrors) => jackknifeError(without.map((metrics) => metrics[name]))
  return {
    image_accuracy: errorOf('image_accuracy'),
    diversity: errorOf('diversity'),
    frechet: errorOf('frechet'),
  }
}

/** For each image, how many of its class come before it. */
function placesInClass(labels: Int32Array): Int32Array {
  const before = new Map<number, number>()
  return labels.map((label) => {
    const place = before.get(label) ?? 0
    before.set(label, place + 1)
    return place
  })
}

function jackknifeError(values: readonly number[]): number {
  return Math.sqrt(((values.length - 1) / values.length) * squaredDeviations(values))
}
