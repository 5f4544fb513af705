/** One run of a comparison: a variant trained from one seed and judged on the way. */
import { makeCaptionTokenizer } from '../../tokenizer/caption_tokenizer.js'
import type { Image } from '../../image/image.js'
import { captionedImages, ClassReference, describePairs, drawClasses } from '../../evaluation/classes.js'
import { Transfusion } from '../../transfusion.js'
import { deviceInfo } from '../../tensor/device.js'
import { Trainer } from '../../training/trainer.js'
import { type NamedClasses, openClasses } from '../../evaluation/tasks/class_data.js'
import type { Variant } from './comparisons.js'
import { demoObjective, demoTraining } from '../demo/demo_config.js'
import { fashionMnistCaption, fashionMnistModel } from '../demo/demo_fashion_mnist.js'
import { modelOptions, modelOptionsSchema } from '../../run/train_config.js'

/** Few steps, so that judging takes less time than training. */
const drawing = { sampler: 'dpmpp', steps: 20, guidance: 2.5, guidanceInterval: [0.2, 0.8] } as const

/** Test images that are described, at most. */
const mostDescribed = 2000

/** Figures of a model at some point of its training, by held-out images. */
export interface Point {
  readonly step: number
  /** Of training alone. */
  readonly seconds: number
  readonly captions: number
  readonly images: number
  readonly diversity: number
  /** The Fréchet distance over that of each class's mean image. */
  readonly frechet: number
  readonly kid: number
}

/** What is kept of a run. */
export interface RunResult {
  readonly variant: string
  readonly seed: number
  readonly parameters: number
  readonly points: readonly Point[]
}

/** How long to train, and how much to judge. */
export interface RunOptions {
  seed: number
  /** The other is given. */
  steps?: number
  /** The other is given. */
  seconds?: number
  perClass: number
  signal: AbortSignal
}

/** Judges that were trained, by the padding of the images. */
export type References = Map<number, { data: NamedClasses; reference: ClassReference }>

/** The data of a variant, and the judge of its images. */
export async function referenceOf(references: References, padding: number, signal: AbortSignal) {
  const known = references.get(padding)
  if (known) return known
  const data = await openClasses({ type: 'fashion-mnist', padding }, fashionMnistCaption)
  // One judge for all seeds: it is a part of the yardstick.
  const made = { data, reference: await ClassReference.prepare(data, { perClass: 100, seed: 0, signal }) }
  references.set(padding, made)
  return made
}

/** Trains and judges at a quarter, a half and the end of training; the images are those of the end. */
export async function runVariant(
  variant: Variant,
  { data, reference }: { data: Omit<NamedClasses, 'name' | 'testName'>; reference: ClassReference },
  { seed, steps, seconds, perClass, signal }: RunOptions,
): Promise<{ result: RunResult; drawn: readonly Image[] }> {
  const sizes = fashionMnistModel(1)
  using model = Transfusion.create(
    modelOptions(modelOptionsSchema.parse({ ...sizes, image: { ...sizes.image, ...variant.image } })),
    makeCaptionTokenizer(data.captions),
    { seed, compute: deviceInfo().nativeBf16 ? 'bf16' : 'f32', objective: demoObjective },
  )
  const { minutes: _, ...options } = demoTraining({ minutes: 1, seed })
  using trainer = new Trainer(model, data.training, {
    ...options,
    ...variant.training,
    ...(seconds === undefined ? { steps: steps! } : { minutes: seconds / 60 }),
  })
  const points: Point[] = []
  let drawn: readonly Image[] = []
  const judge = async () => {
    signal.throwIfAborted()
    const images = await drawClasses(model, data.captions, { perClass, seed, images: drawing, signal })
    drawn = images.images
    const figures = await reference.figures(images)
    const pairs = captionedImages(data.test, data.captions, mostDescribed)
    const { accuracy } = await describePairs(model, pairs, signal)
    points.push({
      step: trainer.done.steps,
      seconds: trainer.done.seconds,
      captions: accuracy,
      images: figures.image_accuracy,
      diversity: figures.diversity,
      frechet: figures.frechet / figures.frechet_class_means,
      kid: figures.kid,
    })
  }
  const quarter = Math.ceil((steps ?? Infinity) / 4)
  await trainer.run({
    signal,
    every: {
      steps: quarter,
      run: async (step) => {
        if (step === quarter || step === 2 * quarter) await judge()
      },
    },
  })
  await judge()
  return { result: { variant: variant.name, seed, parameters: model.parameterCount, points }, drawn }
}
