import { describe, expect, it } from 'vitest'
import { takeRows } from '../../lib/evaluation/features.js'
import {
  accuracy,
  classMeanImages,
  firstOfEachClass,
  imageFigures,
  type Judged,
} from '../../lib/evaluation/figures.js'
import { randomArray } from '../host_array.js'

const WIDTH = 4
const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3)
const realImages = (seed: number, strength = 1): Judged => {
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
const evidence = {
  drawn: realImages(3),
  asked: labels,
  test: realImages(1),
  testLabels: labels,
  training: realImages(2),
  classMeans: means,
}

describe('imageFigures', () => {
  it('finds that drawings like the real images are right, diverse and near', () => {
    const figures = imageFigures(evidence)
    expect(figures.judge_accuracy).toBe(1)
    expect(figures.image_accuracy).toBe(1)
    expect(figures.diversity).toBeGreaterThan(0.9)
    expect(figures.diversity).toBeLessThan(1.1)
    expect(figures.frechet).toBeLessThan(0.2 * figures.frechet_class_means)
    expect(figures.frechet_training).toBeLessThan(0.2 * figures.frechet_class_means)
  })

  it('exposes a model that always draws the mean image: right, and all the same', () => {
    const drawn = { classes: labels, features: takeRows(means.features, labels) }
    const figures = imageFigures({ ...evidence, drawn })
    expect(figures.image_accuracy).toBe(1)
    expect(figures.diversity).toBe(0)
    expect(figures.frechet).toBe(figures.frechet_class_means)
  })

  it('counts the images that show what was asked for', () => {
    const asked = labels.with(0, 1).with(1, 2).with(2, 0)
    expect(imageFigures({ ...evidence, asked }).image_accuracy).toBeCloseTo(57 / 60, 12)
  })
})

it('accuracy refuses lists of different length, and none', () => {
  expect(() => accuracy(Int32Array.of(1), Int32Array.of(1, 2))).toThrow('1 answers for 2 questions')
  expect(() => accuracy(new Int32Array(0), new Int32Array(0))).toThrow('0 answers')
})

it('firstOfEachClass takes as many of each class', () => {
  expect([...firstOfEachClass([2, 0, 2, 2, 1, 0, 0], 2)]).toEqual([0, 1, 2, 4, 5])
})

it('classMeanImages averages bytes and maps them to -1..1', async () => {
  const images = Uint8Array.of(0, 255, 255, 255, 255, 0)
  expect([...(await classMeanImages(images, [0, 1, 0], 2))]).toEqual([0, 0, 1, 1])
  await expect(classMeanImages(images, [0, 1, 0], 3)).rejects.toThrow('class 2 has no images')
})
