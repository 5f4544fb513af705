import { distancesWithin, diversityOf } from './diversity.js'
import { takeRows } from './features.js'
import { accuracy, type ImageEvidence, type ImageFigures } from './figures.js'
import { frechetDistance, momentsOf } from './frechet.js'
import { squaredDeviations } from './moments.js'

/** More tell little more: with ten the error of a standard error is about a quarter of it. */
const mostGroups = 10

/** The figures of drawn images that have standard errors. */
export type StandardErrors = Pick<ImageFigures, 'image_accuracy' | 'diversity' | 'frechet'>

/**
 * Standard errors: how much figures would move with other images of the same model. By the jackknife with groups
 * (Tukey 1958): the images are dealt to G groups, each with its share of every class, and a figure is computed without
 * each of them in turn; its error is sqrt((G - 1) / G sum (f_g - mean f)^2). That a Fréchet distance comes out too large
 * for few images is common to all f_g and cancels out. (Where drawn and real images are distributed alike, a distance is at
 * its least and its error comes out up to sqrt(2) times too large.)
 * @throws RangeError where a class was asked for fewer than three times: a diversity without one of them needs two
 */
export function standardErrors({
  drawn,
  asked,
  test,
  testLabels,
}: Pick<ImageEvidence, 'drawn' | 'asked' | 'test' | 'testLabels'>): StandardErrors {
  const places = placesInClass(asked)
  const counts = new Map<number, number>()
  for (const label of asked) counts.set(label, (counts.get(label) ?? 0) + 1)
  const least = Math.min(...counts.values())
  if (least < 3)
    throw new RangeError(`standardErrors: a class was asked for ${least} times, expected 3 or more`)
  const groups = Math.min(mostGroups, least)
  const testMoments = momentsOf(test.features)
  const testDistances = distancesWithin({ features: test.features, labels: testLabels })

  const without = Array.from({ length: groups }, (_, group) => {
    const rows = Int32Array.from(asked.keys()).filter((row) => places[row]! % groups !== group)
    const features = takeRows(drawn.features, rows)
    const labels = rows.map((row) => asked[row]!)
    return {
      image_accuracy: accuracy(
        rows.map((row) => drawn.classes[row]!),
        labels,
      ),
      diversity: diversityOf(distancesWithin({ features, labels }), testDistances),
      frechet: frechetDistance(momentsOf(features), testMoments),
    }
  })
  const errorOf = (name: keyof StandardErrors) => jackknifeError(without.map((figures) => figures[name]))
  return {
    image_accuracy: errorOf('image_accuracy'),
    diversity: errorOf('diversity'),
    frechet: errorOf('frechet'),
  }
}

/** Of each image, how many of its class come before it. */
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
