import { type SamplerName, samplersFor } from '../../diffusion/samplers.js'
import { checkImageGeneration } from '../../generation/generate_images.js'
import type { GenerativeModel } from '../../generation/model.js'
import { compareSamplers, type ReferenceMetrics, type SamplerMetrics } from '../compare_samplers.js'
import { generatedPreprocessing, openClasses } from './class_data_config.js'
import type { SamplersConfig } from './samplers_config.js'

/** What a comparison of samplers has measured so far. */
export interface SamplersResult {
  /** What the images are compared with. */
  readonly data: string
  /** Generated for each setting. */
  readonly images: number
  /** Those that are compared. */
  readonly samplers: readonly SamplerName[]
  /** Of real images. */
  readonly reference: ReferenceMetrics
  /** Those of the settings that are done; the first has the most steps of the first sampler, and is what others are compared with. */
  readonly settings: readonly SamplerMetrics[]
}

/**
 * Compares samplers and numbers of steps as a config says, and yields what is measured after each setting. Rejects, before
 * anything is generated, where a setting does not suit the model.
 */
export async function* runSamplers(
  model: GenerativeModel,
  config: SamplersConfig,
  { signal, onMessage }: { signal: AbortSignal; onMessage: (line: string) => void },
): AsyncGenerator<SamplersResult, void, undefined> {
  const { seed, perClass, guidance, guidanceInterval } = config
  const { testName, ...data } = await openClasses(config.data, config.caption, generatedPreprocessing(model))
  const samplers = config.samplers ?? samplersFor(model.objective.process)
  const steps = config.steps.toSorted((a, b) => b - a)
  const settings = samplers.flatMap((sampler) => steps.map((steps) => ({ sampler, steps })))
  for (const setting of settings) await checkImageGeneration(model, [], setting)
  const images = data.captions.length * perClass
  const found: SamplerMetrics[] = []
  const comparison = compareSamplers(model, data, settings, {
    perClass,
    seed,
    signal,
    onMessage,
    images: { guidance, guidanceInterval },
  })
  for await (const { reference, ...setting } of comparison) {
    found.push(setting)
    yield { data: testName, images, samplers, reference, settings: found }
  }
}
