import { expect, it } from 'vitest'
import { accuracy, type Judged } from '../../lib/evaluation/figures.js'
import { frechetDistance, momentsOf } from '../../lib/evaluation/frechet.js'
import { diversity } from '../../lib/evaluation/diversity.js'
import { standardErrors } from '../../lib/evaluation/standard_errors.js'
import { generator } from '../host_array.js'

const classes = 4
const width = 3

/** So many images of each class, moved away from real ones; the judge errs in three of ten. */
function judgedImages(perClass: number, seed: number, moved = 1): { judged: Judged; labels: Int32Array } {
  const next = generator(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  const labels = Int32Array.from({ length: classes * perClass }, (_, i) => Math.floor(i / perClass))
  const data = Float32Array.from({ length: labels.length * width }, (_, i) =>
    i % width === 0 ? 3 * labels[Math.floor(i / width)]! + normal() : moved + normal(),
  )
  const found = labels.map((label) => (next() < 0.3 ? (label + 1) % classes : label))
  return { judged: { classes: found, features: { data, width } }, labels }
}

const { judged: test, labels: testLabels } = judgedImages(500, 1, 0)

const figuresOf = ({ judged, labels }: ReturnType<typeof judgedImages>) => ({
  image_accuracy: accuracy(judged.classes, labels),
  diversity: diversity(
    { features: judged.features, labels },
    { features: test.features, labels: testLabels },
  ),
  frechet: frechetDistance(momentsOf(judged.features), momentsOf(test.features)),
})

it('says how much figures differ from one set of images to the next', () => {
  const sets = Array.from({ length: 60 }, (_, i) => judgedImages(40, 100 + i))
  const figures = sets.map(figuresOf)
  const errors = sets.map(({ judged, labels }) =>
    standardErrors({ drawn: judged, asked: labels, test, testLabels }),
  )
  for (const name of ['image_accuracy', 'diversity', 'frechet'] as const) {
    const values = figures.map((each) => each[name])
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
  const { judged, labels } = judgedImages(perClass, 5)
  const found = labels.map((label, i) => (i % perClass < 7 ? label : (label + 1) % classes))
  const { image_accuracy } = standardErrors({
    drawn: { ...judged, classes: found },
    asked: labels,
    test,
    testLabels,
  })
  expect(image_accuracy).toBeCloseTo(Math.sqrt((0.7 * 0.3) / 9), 12)
})

it('refuses classes with too few images, by their number', () => {
  const { judged, labels } = judgedImages(2, 5)
  expect(() => standardErrors({ drawn: judged, asked: labels, test, testLabels })).toThrow(
    'asked for 2 times, expected 3 or more',
  )
})
