import { describe, expect, it } from 'vitest'
import { accuracy } from '../../../lib/evaluation/image_metrics/image_metrics.js'
import { ImageClassifier, type ClassifierTraining } from '../../../lib/evaluation/classes/image_classifier.js'
import { memory } from '../../../lib/tensor/device.js'
import { generator } from '../../host_array.js'

const side = 12

/** Noise with a bright bar: upright, lying, or along the diagonal, anywhere in the image. */
function bars(
  count: number,
  seed: number,
): Pick<ClassifierTraining, 'images' | 'labels' | 'side' | 'classes'> {
  const next = generator(seed)
  const images = Uint8Array.from({ length: count * side * side }, () => 120 * next())
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3)
  labels.forEach((label, i) => {
    const [top, left] = [Math.floor(6 * next()), Math.floor(6 * next())]
    for (let k = 0; k < 6; k++) {
      const [y, x] = [top + (label === 1 ? 0 : k), left + (label === 0 ? 0 : k)]
      images[(i * side + y) * side + x] = 200
    }
  })
  return { images, labels, side, classes: 3 }
}

const train = (seed = 1, epochs = 8) => ImageClassifier.train({ ...bars(900, 11), seed, epochs })

describe('ImageClassifier', () => {
  it('learns to tell shapes apart that it has not seen, wherever they are', async () => {
    using classifier = await train()
    // 301 images: the last batch is not full.
    const { images, labels } = bars(301, 12)
    const { classes, features } = await classifier.classify(images)
    expect(accuracy(classes, Int32Array.from(labels))).toBeGreaterThan(0.95)
    expect(features).toMatchObject({ width: 128 })
    expect(features.data.length).toBe(301 * 128)
  })

  it('sees an image alike in any batch', async () => {
    using classifier = await train(1, 1)
    const { images } = bars(130, 12)
    const all = await classifier.classify(images)
    const last = await classifier.classify(images.subarray(129 * side * side))
    expect(last.features.data).toEqual(all.features.data.subarray(129 * 128))
  })

  it('is the same for the same seed, another for another', async () => {
    const { images } = bars(20, 12)
    const featuresFor = async (seed: number) => {
      using classifier = await train(seed, 1)
      return (await classifier.classify(images)).features.data
    }
    const first = await featuresFor(1)
    expect(await featuresFor(1)).toEqual(first)
    expect(await featuresFor(2)).not.toEqual(first)
  })

  it('stops when it is told to and leaves no memory behind', async () => {
    const { live } = memory()
    const controller = new AbortController()
    const onProgress = () => controller.abort(new Error('enough'))
    const training = { ...bars(900, 11), seed: 1, epochs: 8, signal: controller.signal, onProgress }
    await expect(ImageClassifier.train(training)).rejects.toThrow('enough')
    expect(memory().live).toBe(live)
  })

  it('tells colours apart', async () => {
    const next = generator(5)
    /** Grey noise, of which the label's channel is brighter and the others are darker: in grayscale all are alike. */
    const colours = (count: number) => {
      const labels = Int32Array.from({ length: count }, (_, i) => i % 3)
      const images = Uint8Array.from(
        { length: count * side * side * 3 },
        (_, i) => 100 + 80 * next() + (i % 3 === labels[Math.floor(i / (3 * side * side))] ? 40 : -20),
      )
      return { images, labels, side, channels: 3, classes: 3 } as const
    }
    using classifier = await ImageClassifier.train({ ...colours(300), seed: 1, epochs: 8 })
    const { images, labels } = colours(100)
    expect(accuracy((await classifier.classify(images)).classes, labels)).toBeGreaterThan(0.95)
  })

  it('refuses what it cannot read', async () => {
    const data = bars(3, 1)
    const settings = { ...data, seed: 1, epochs: 1 }
    await expect(ImageClassifier.train(settings)).rejects.toThrow(
      'ImageClassifier.train: images must fill a batch of 64 in all epochs together, received 3 for 1 epochs',
    )
    await expect(ImageClassifier.train({ ...settings, labels: [0, 3, 1] })).rejects.toThrow(
      'ImageClassifier.train: labels must be 0 .. 2, one for each class, received 3',
    )
    await expect(ImageClassifier.train({ ...settings, side: 11 })).rejects.toThrow(
      'side must be even, received 11',
    )
    await expect(ImageClassifier.train({ ...settings, labels: [0] })).rejects.toThrow(
      'labels must be one for each image, received 1 for 3',
    )
    await expect(ImageClassifier.train({ ...settings, channels: 3 })).rejects.toThrow('received 3 for 1')
    const images = Array(5000).fill(1) as never
    await expect(ImageClassifier.train({ ...settings, images })).rejects.toThrow(
      'ImageClassifier.train: images must be a Uint8Array of all their bytes, received an array of 5000',
    )
  })
})
