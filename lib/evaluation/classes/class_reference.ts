import { checkArguments, checkOptions } from '../../arguments.js'
import { concatenateImages, floatsToBytes } from '../../image/pixels.js'
import { checkClassData, type ClassData } from './class_data.js'
import type { ClassImageOptions, GeneratedClassImages } from './class_images.js'
import { ImageClassifier } from './image_classifier.js'
import {
  classMeanImages,
  type ClassifierOutput,
  firstOfEachClass,
  type ImageMetricInputs,
  type ImageMetrics,
} from '../image_metrics/image_metrics.js'
import { imageMetrics } from '../image_metrics/statistics.js'

/** A classifier trained on real images, and its output for the real images that generated ones are compared with. */
export class ClassReference {
  private constructor(
    /** Owned by this object, which frees it. */
    readonly classifier: ImageClassifier,
    private readonly real: {
      test: ClassifierOutput
      testLabels: ArrayLike<number>
      training: ClassifierOutput
      classMeans: ClassifierOutput
    },
  ) {}

  /**
   * Trains the classifier on the whole training set and classifies the test images, `perClass` training images of each
   * class and each class's mean image. Rejects with a RangeError for images that are not square or of an odd side.
   */
  static async prepare(
    data: ClassData,
    options: Pick<ClassImageOptions, 'perClass' | 'seed' | 'signal'>,
  ): Promise<ClassReference> {
    checkClassData('ClassReference.prepare', data)
    checkArguments('ClassReference.prepare', { options: [options, 'object'] })
    checkOptions('ClassReference.prepare', options, { perClass: true, seed: true, signal: true })
    const { training, test, captions } = data
    const { perClass, seed, signal } = options
    const { pixels: images, labels, width: side, channels } = training
    for (const [name, { width, height }] of Object.entries({ training, test }))
      if (width !== height || width % 2 !== 0)
        throw new RangeError(
          `ClassReference.prepare: data.${name} must have square images of an even side, which the classifier reads, ` +
            `received ${height} x ${width}`,
        )
    const classifier = await ImageClassifier.train({
      images,
      labels,
      side,
      channels,
      classes: captions.length,
      seed,
      epochs: 2,
      signal,
    })
    try {
      const sample = Array.from(firstOfEachClass(labels, perClass), (i) => training.image(i))
      return new ClassReference(classifier, {
        test: await classifier.classify(test.pixels),
        testLabels: test.labels,
        training: await classifier.classify(concatenateImages(sample)),
        classMeans: await classifier.classify(
          floatsToBytes(await classMeanImages(images, labels, captions.length)),
        ),
      })
    } catch (error) {
      classifier[Symbol.dispose]()
      throw error
    }
  }

  /** The metrics of generated images, and the classifier's own accuracy. */
  async metrics(generated: GeneratedClassImages): Promise<ImageMetrics> {
    return imageMetrics(await this.metricInputs(generated))
  }

  /** The classifier's output for generated images, beside that for the real ones. */
  async metricInputs({ images, targets }: GeneratedClassImages): Promise<ImageMetricInputs> {
    return { ...this.real, generated: await this.classifier.classify(concatenateImages(images)), targets }
  }

  /** Frees the classifier. */
  [Symbol.dispose](): void {
    this.classifier[Symbol.dispose]()
  }
}
