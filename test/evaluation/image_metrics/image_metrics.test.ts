import { describe, expect, it } from 'vitest'
import { takeRows } from '../../../lib/evaluation/image_metrics/features.js'
import {
  accuracy,
  classMeanImages,
  firstOfEachClass,
  imageMetrics,
  type ClassifierOutput,
} from '../../../lib/evaluation/image_metrics/image_metrics.js'
import { randomArray } from '../../host_array.js'

const WIDTH = 4
const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3)
const realImages = (seed: number, strength = 1): ClassifierOutput => {
  const noise = randomArray([labels.length, WIDTH], seed).data
  const data = Float32Array.from(noise, (value, i) => 5 * labels[Math.floor(i / WIDTH)]! + strength * value)
  return { classes: labels, features: { data, width: WIDTH } }
}
const means = {
  classes: Int32Array.of(0, 1, 2),
  features: {
    data: Float32Array.from({ length: 3 * WIDTH }, (_, i) => 5 * Math.floor(i / WIDTH)),
    width: WIDTH,
  },
}
const inputs = {
  generated: realImages(3),
  targets: labels,
  test: realImages(1),
  testLabels: labels,
  training: realImages(2),
  classMeans: means,
}

describe('imageMetrics', () => {
  it('scores images like the real ones as recognised, diverse and near', () => {
    const metrics = imageMetrics(inputs)
    expect(metrics.classifier_accuracy).toBe(1)
    expect(metrics.image_accuracy).toBe(1)
    expect(metrics.diversity).toBeGreaterThan(0.9)
    expect(metrics.diversity).toBeLessThan(1.1)
    expect(metrics.frechet).toBeLessThan(0.2 * metrics.frechet_class_means)
    expect(metrics.frechet_training).toBeLessThan(0.2 * metrics.frechet_class_means)
  })

  it('exposes a model that always generates the mean image: recognised, and not diverse', () => {
    const generated = { classes: labels, features: takeRows(means.features, labels) }
    const metrics = imageMetrics({ ...inputs, generated })
    expect(metrics.image_accuracy).toBe(1)
    expect(metrics.diversity).toBe(0)
    expect(metrics.frechet).toBe(metrics.frechet_class_means)
  })

  it('counts the images that are recognised as of their target', () => {
    const targets = labels.with(0, 1).with(1, 2).with(2, 0)
    expect(imageMetrics({ ...inputs, targets }).image_accuracy).toBeCloseTo(57 / 60, 12)
  })
})

it('accuracy refuses lists of different length, and none', () => {
  expect(() => accuracy(Int32Array.of(1), Int32Array.of(1, 2))).toThrow('received 1 for 2')
  expect(() => accuracy(new Int32Array(0), new Int32Array(0))).toThrow('received 0 for 0')
})

it('firstOfEachClass takes as many of each class', () => {
  expect([...firstOfEachClass([2, 0, 2, 2, 1, 0, 0], 2)]).toEqual([0, 1, 2, 4, 5])
})

it('classMeanImages averages bytes and maps them to -1..1', async () => {
  const images = Uint8Array.of(0, 255, 255, 255, 255, 0)
  expect([...(await classMeanImages(images, [0, 1, 0], 2))]).toEqual([0, 0, 1, 1])
  await expect(classMeanImages(images, [0, 1, 0], 3)).rejects.toThrow('received none of class 2')
})
