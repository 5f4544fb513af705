import { expect, it } from 'vitest'
import { accuracy, type ClassifierOutput } from '../../../lib/evaluation/image_metrics/image_metrics.js'
import { frechetDistance, momentsOf } from '../../../lib/evaluation/image_metrics/frechet.js'
import { diversity } from '../../../lib/evaluation/image_metrics/diversity.js'
import { standardErrors } from '../../../lib/evaluation/image_metrics/standard_errors.js'
import { generator } from '../../host_array.js'

const classes = 4
const width = 3

/** So many images of each class, moved away from real ones; the classifier errs in three of ten. */
function classifiedImages(
  perClass: number,
  seed: number,
  moved = 1,
): { output: ClassifierOutput; labels: Int32Array } {
  const next = generator(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  const labels = Int32Array.from({ length: classes * perClass }, (_, i) => Math.floor(i / perClass))
  const data = Float32Array.from({ length: labels.length * width }, (_, i) =>
    i % width === 0 ? 3 * labels[Math.floor(i / width)]! + normal() : moved + normal(),
  )
  const found = labels.map((label) => (next() < 0.3 ? (label + 1) % classes : label))
  return { output: { classes: found, features: { data, width } }, labels }
}

const { output: test, labels: testLabels } = classifiedImages(500, 1, 0)

const metricsOf = ({ output, labels }: ReturnType<typeof classifiedImages>) => ({
  image_accuracy: accuracy(output.classes, labels),
  diversity: diversity(
    { features: output.features, labels },
    { features: test.features, labels: testLabels },
  ),
  frechet: frechetDistance(momentsOf(output.features), momentsOf(test.features)),
})

it('tells how much metrics differ from one set of images to the next', () => {
  const sets = Array.from({ length: 60 }, (_, i) => classifiedImages(40, 100 + i))
  const metrics = sets.map(metricsOf)
  const errors = sets.map(({ output, labels }) =>
    standardErrors({ generated: output, targets: labels, test, testLabels }),
  )
  for (const name of ['image_accuracy', 'diversity', 'frechet'] as const) {
    const values = metrics.map((each) => each[name])
    const mean = values.reduce((sum, value) => sum + value) / values.length
    const deviation = Math.sqrt(
      values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1),
    )
    const meanError = errors.reduce((sum, each) => sum + each[name], 0) / errors.length
    // Sixty sets tell a deviation to a tenth; a forgotten root or factor of groups is three times off or more.
    expect(meanError / deviation, name).toBeGreaterThan(0.75)
    expect(meanError / deviation, name).toBeLessThan(1.35)
  }
})

it("is the mean's own error for a mean, where each group is one image of each class", () => {
  // Classes right by place alone, so that a group is right or wrong as a whole: 7 of 10.
  const perClass = 10
  const { output, labels } = classifiedImages(perClass, 5)
  const found = labels.map((label, i) => (i % perClass < 7 ? label : (label + 1) % classes))
  const { image_accuracy } = standardErrors({
    generated: { ...output, classes: found },
    targets: labels,
    test,
    testLabels,
  })
  expect(image_accuracy).toBeCloseTo(Math.sqrt((0.7 * 0.3) / 9), 12)
})

it('refuses classes with too few images, by their number', () => {
  const { output, labels } = classifiedImages(2, 5)
  expect(() => standardErrors({ generated: output, targets: labels, test, testLabels })).toThrow(
    'targets must have each class 3 times or more, received one 2 times',
  )
})
