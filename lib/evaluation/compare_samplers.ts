/** Samplers and numbers of steps side by side: how few steps keep the quality of many. */
import { checkArguments } from '../arguments.js'
import { createSampler, type SamplerName } from '../diffusion/samplers.js'
import type { ImageSamplingOptions } from '../generation/options.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import { ClassReference, checkClassData, checkClassImages, type ClassData, drawClasses } from './classes.js'
import type { StandardErrors } from './standard_errors.js'
import { imageFigures, standardErrors } from './statistics.js'

/** A way to draw images. */
export interface SamplerSetting {
  /** Its name. */
  readonly sampler: SamplerName
  /** Denoising steps of each image. */
  readonly steps: number
}

/** What one setting gave. Figures as in figures.ts, with the standard error of each. */
export interface SamplerFigures extends SamplerSetting {
  /** Of the network for one image: steps, but for Heun's nearly twice as many. */
  readonly calls: number
  /** Of the images that were drawn. */
  readonly figures: StandardErrors
  /** Standard errors of the figures. */
  readonly errors: StandardErrors
  /** Of drawing, many images at a time. */
  readonly secondsPerImage: number
}

/** The figures of real images, between which those of drawn ones lie. */
export interface ReferenceFigures {
  /** Share of the test images whose class the judge finds. */
  readonly judge_accuracy: number
  /** Of images of the training set: what perfect drawings would score. */
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
  /** Ends the comparison; it then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Told what begins. */
  say?: (line: string) => void
}

/**
 * Draws the same classes with one setting after the other and yields the figures of each, all found by one judge.
 * Rejects with a RangeError before anything is drawn where a sampler does not suit the model, and with the signal's
 * reason when it aborts.
 */
export async function* compareSamplers(
  model: ModelParts,
  data: ClassData,
  settings: readonly SamplerSetting[],
  comparison: CompareOptions,
): AsyncGenerator<SamplerFigures & { reference: ReferenceFigures }, void, undefined> {
  checkArguments('compareSamplers', {
    model: [model, 'model'],
    settings: [settings, 'array'],
    options: [comparison, 'object'],
  })
  checkClassData('compareSamplers', data)
  const { say = () => {}, images, ...options } = comparison
  const calls = settings.map(
    ({ sampler, steps }) => createSampler(sampler, model.objective).steps(steps).length,
  )
  checkClassImages(model, data)
  say('Training a judge on the real images ...')
  using reference = await ClassReference.prepare(data, options)
  for (const [i, setting] of settings.entries()) {
    const started = performance.now()
    const drawn = await drawClasses(model, data.captions, { ...options, images: { ...images, ...setting } })
    const seconds = (performance.now() - started) / 1000
    const evidence = await reference.evidence(drawn)
    const [{ image_accuracy, diversity, frechet, ...found }, errors] = await Promise.all([
      imageFigures(evidence),
      standardErrors(evidence),
    ])
    const { judge_accuracy, frechet_training, frechet_class_means } = found
    yield {
      ...setting,
      calls: calls[i]!,
      figures: { image_accuracy, diversity, frechet },
      errors,
      secondsPerImage: seconds / drawn.images.length,
      reference: { judge_accuracy, frechet_training, frechet_class_means },
    }
  }
}

/**
 * The figures in which a setting is worse than a reference: by more than two standard errors of their difference,
 * 2 sqrt(a^2 + b^2), as of two that are equally good one figure in forty comes out by chance.
 */
export function worseFigures(setting: SamplerFigures, reference: SamplerFigures): (keyof StandardErrors)[] {
  for (const [name, given] of Object.entries({ setting, reference })) {
    checkArguments('worseFigures', { [name]: [given, 'object'] })
    const { figures, errors } = given
    checkArguments('worseFigures', {
      [`${name}.figures`]: [figures, 'object'],
      [`${name}.errors`]: [errors, 'object'],
    })
  }
  const deficits = {
    image_accuracy: reference.figures.image_accuracy - setting.figures.image_accuracy,
    diversity: reference.figures.diversity - setting.figures.diversity,
    frechet: setting.figures.frechet - reference.figures.frechet,
  }
  return (Object.keys(deficits) as (keyof StandardErrors)[]).filter(
    (name) => deficits[name] > 2 * Math.hypot(setting.errors[name], reference.errors[name]),
  )
}

/** Of the settings that are in nothing worse than the reference, the one with fewest calls; of equals, with the least distance. */
export function cheapestSetting<Setting extends SamplerFigures>(
  found: readonly Setting[],
  reference: SamplerFigures,
): Setting {
  checkArguments('cheapestSetting', { found: [found, 'array'], reference: [reference, 'object'] })
  return found
    .filter((setting) => worseFigures(setting, reference).length === 0)
    .reduce((best, next) =>
      next.calls < best.calls || (next.calls === best.calls && next.figures.frechet < best.figures.frechet)
        ? next
        : best,
    )
}
