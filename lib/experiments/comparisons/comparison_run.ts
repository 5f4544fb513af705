/** One run of a comparison: a variant trained from one seed and evaluated during training. */
import { makeCaptionTokenizer } from '../../tokenizer/caption_tokenizer.js'
import type { Image } from '../../image/image.js'
import { generateClassImages } from '../../evaluation/classes/class_images.js'
import { ClassReference } from '../../evaluation/classes/class_reference.js'
import { captionedImages, describePairs } from '../../evaluation/describe_images.js'
import { Transfusion } from '../../transfusion.js'
import { type Device, deviceInfo } from '../../tensor/device.js'
import { Trainer } from '../../models/transfusion/training/trainer.js'
import { type NamedClasses, openClasses } from '../../evaluation/tasks/class_data_config.js'
import type { Variant } from './comparisons.js'
import { demoObjective, demoTraining } from '../demo/demo_config.js'
import { fashionMnistCaption, fashionMnistModel } from '../demo/demo_fashion_mnist.js'
import { modelOptions, modelOptionsSchema } from '../../models/transfusion/model_options.js'

/** Few steps, so that the evaluation takes less time than training. */
const sampling = { sampler: 'dpmpp', steps: 20, guidance: 2.5, guidanceInterval: [0.2, 0.8] } as const

/** Test images that are described, at most. */
const mostDescribed = 2000

/** Metrics of a model at some point of its training, by held-out images. */
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

/** How long to train, and how many images to evaluate. */
export interface RunOptions {
  seed: number
  /** Either this or `seconds`. */
  steps?: number
  /** Either this or `steps`. */
  seconds?: number
  perClass: number
  /** Where the models are trained; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device | undefined
  signal: AbortSignal
}

/** Classifiers that are trained, by the padding of the images. */
export type References = Map<number, { data: NamedClasses; reference: ClassReference }>

/** The data of a variant, and the classifier of its images. */
export async function referenceOf(references: References, padding: number, signal: AbortSignal) {
  const known = references.get(padding)
  if (known) return known
  const data = await openClasses({ type: 'fashion-mnist', padding }, fashionMnistCaption)
  // One classifier for all seeds: metrics are comparable only within one.
  const made = { data, reference: await ClassReference.prepare(data, { perClass: 100, seed: 0, signal }) }
  references.set(padding, made)
  return made
}

/** Trains, and evaluates at a quarter, a half and the end of training; the images are those of the end. */
export async function runVariant(
  variant: Variant,
  { data, reference }: { data: Omit<NamedClasses, 'name' | 'testName'>; reference: ClassReference },
  { seed, steps, seconds, perClass, device, signal }: RunOptions,
): Promise<{ result: RunResult; images: readonly Image[] }> {
  const sizes = fashionMnistModel(1)
  using model = Transfusion.create(
    modelOptions(modelOptionsSchema.parse({ ...sizes, image: { ...sizes.image, ...variant.image } })),
    makeCaptionTokenizer(data.captions),
    { seed, compute: deviceInfo(device).nativeBf16 ? 'bf16' : 'f32', device, objective: demoObjective },
  )
  using trainer = new Trainer(model, data.training, {
    ...demoTraining({ minutes: 1, seed }),
    ...variant.training,
    ...(seconds === undefined ? { steps: steps! } : { minutes: seconds / 60 }),
  })
  const points: Point[] = []
  let images: readonly Image[] = []
  const evaluate = async () => {
    signal.throwIfAborted()
    const generated = await generateClassImages(model, data.captions, {
      perClass,
      seed,
      images: sampling,
      signal,
    })
    images = generated.images
    const metrics = await reference.metrics(generated)
    const pairs = captionedImages(data.test, data.captions, mostDescribed)
    const { accuracy } = await describePairs(model, pairs, signal)
    points.push({
      step: trainer.done.steps,
      seconds: trainer.done.seconds,
      captions: accuracy,
      images: metrics.image_accuracy,
      diversity: metrics.diversity,
      frechet: metrics.frechet / metrics.frechet_class_means,
      kid: metrics.kid,
    })
  }
  const quarter = Math.ceil((steps ?? Infinity) / 4)
  await trainer.run({
    signal,
    every: {
      steps: quarter,
      run: async (step) => {
        if (step === quarter || step === 2 * quarter) await evaluate()
      },
    },
  })
  await evaluate()
  return { result: { variant: variant.name, seed, parameters: model.parameterCount, points }, images }
}
