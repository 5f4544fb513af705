/** Samplers and numbers of steps side by side: how few steps keep the quality of many. */
import { checkArguments, checkOptions } from '../arguments.js'
import { createSampler, type SamplerName } from '../diffusion/samplers.js'
import type { ImageSamplingOptions } from '../generation/options.js'
import type { GenerativeModel } from '../generation/model.js'
import { checkClassData, checkClassImages, type ClassData } from './classes/class_data.js'
import { generateClassImages } from './classes/class_images.js'
import { ClassReference } from './classes/class_reference.js'
import type { StandardErrors } from './image_metrics/standard_errors.js'
import { imageMetrics, standardErrors } from './image_metrics/statistics.js'

/** A sampler and its number of steps. */
export interface SamplerSetting {
  /** Its name. */
  readonly sampler: SamplerName
  /** Denoising steps of each image. */
  readonly steps: number
}

/** The metrics of one setting, as in image_metrics.ts, with the standard error of each. */
export interface SamplerMetrics extends SamplerSetting {
  /** Calls of the network for one image: as many as steps, with Heun's method nearly twice as many. */
  readonly calls: number
  /** Of the images that were generated. */
  readonly metrics: StandardErrors
  /** Standard errors of the metrics. */
  readonly errors: StandardErrors
  /** Of generating many images at a time. */
  readonly secondsPerImage: number
}

/** The metrics of real images, which bound those of generated ones. */
export interface ReferenceMetrics {
  /** Share of the test images that the classifier recognises. */
  readonly classifier_accuracy: number
  /** Of images of the training set: what a perfect model would score. */
  readonly frechet_training: number
  /** Of the mean image of each class. */
  readonly frechet_class_means: number
}

/** How samplers are compared. */
export interface CompareOptions {
  /** Images of each class for each setting: 3 or more, and the same seeds for all settings. */
  perClass: number
  /** Everything random follows from it. */
  seed: number
  /** Guidance and the like, the same for all settings. */
  images?: Omit<ImageSamplingOptions, 'sampler' | 'steps'>
  /** Stops the comparison, which then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Receives a line on each part that begins. */
  onMessage?: (line: string) => void
}

/**
 * Generates the same classes with one setting after the other and yields the metrics of each, all measured with one
 * classifier. Rejects with a RangeError before anything is generated where a sampler does not suit the model, and with the
 * signal's reason when it aborts.
 */
export async function* compareSamplers(
  model: GenerativeModel,
  data: ClassData,
  settings: readonly SamplerSetting[],
  comparison: CompareOptions,
): AsyncGenerator<SamplerMetrics & { reference: ReferenceMetrics }, void, undefined> {
  checkArguments('compareSamplers', {
    model: [model, 'model'],
    settings: [settings, 'array'],
    options: [comparison, 'object'],
  })
  checkOptions('compareSamplers', comparison, {
    perClass: true,
    seed: true,
    images: true,
    signal: true,
    onMessage: true,
  })
  checkClassData('compareSamplers', data)
  const { onMessage = () => {}, images, ...options } = comparison
  const calls = settings.map(
    ({ sampler, steps }) => createSampler(sampler, model.objective).steps(steps).length,
  )
  checkClassImages('compareSamplers', model, data)
  onMessage('Training a classifier on the real images ...')
  using reference = await ClassReference.prepare(data, options)
  for (const [i, setting] of settings.entries()) {
    const started = performance.now()
    const generated = await generateClassImages(model, data.captions, {
      ...options,
      images: { ...images, ...setting },
    })
    const seconds = (performance.now() - started) / 1000
    const inputs = await reference.metricInputs(generated)
    const [{ image_accuracy, diversity, frechet, ...real }, errors] = await Promise.all([
      imageMetrics(inputs),
      standardErrors(inputs),
    ])
    const { classifier_accuracy, frechet_training, frechet_class_means } = real
    yield {
      ...setting,
      calls: calls[i]!,
      metrics: { image_accuracy, diversity, frechet },
      errors,
      secondsPerImage: seconds / generated.images.length,
      reference: { classifier_accuracy, frechet_training, frechet_class_means },
    }
  }
}

/**
 * The metrics in which a setting is worse than a reference: by more than two standard errors of their difference,
 * 2 sqrt(a^2 + b^2), which happens by chance to one in forty metrics of equally good settings.
 */
export function worseMetrics(setting: SamplerMetrics, reference: SamplerMetrics): (keyof StandardErrors)[] {
  for (const [name, given] of Object.entries({ setting, reference })) {
    checkArguments('worseMetrics', { [name]: [given, 'object'] })
    const { metrics, errors } = given
    checkArguments('worseMetrics', {
      [`${name}.metrics`]: [metrics, 'object'],
      [`${name}.errors`]: [errors, 'object'],
    })
  }
  const deficits = {
    image_accuracy: reference.metrics.image_accuracy - setting.metrics.image_accuracy,
    diversity: reference.metrics.diversity - setting.metrics.diversity,
    frechet: setting.metrics.frechet - reference.metrics.frechet,
  }
  return (Object.keys(deficits) as (keyof StandardErrors)[]).filter(
    (name) => deficits[name] > 2 * Math.hypot(setting.errors[name], reference.errors[name]),
  )
}

/**
 * Of the settings that are worse than the reference in no metric, the one with fewest calls, among equals with the least
 * distance.
 */
export function cheapestSetting<Setting extends SamplerMetrics>(
  settings: readonly Setting[],
  reference: SamplerMetrics,
): Setting {
  checkArguments('cheapestSetting', { settings: [settings, 'array'], reference: [reference, 'object'] })
  return settings
    .filter((setting) => worseMetrics(setting, reference).length === 0)
    .reduce((best, next) =>
      next.calls < best.calls || (next.calls === best.calls && next.metrics.frechet < best.metrics.frechet)
        ? next
        : best,
    )
}
