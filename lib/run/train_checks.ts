/** What a training config has wrong, found before anything is trained, a tokenizer included. */
import { checkImageGeneration } from '../generation/generate_images.js'
import { imageSamplingOf } from '../generation/image_sampling.js'
import type { GenerativeModel } from '../generation/model.js'
import { formatBytes } from '../reporting/report/numbers.js'
import { memory } from '../tensor/device.js'
import { type LeastMemory, runModelType } from './run_model.js'
import type { TrainConfig } from './train_config.js'

/** The settings of a new model, and how its images are sampled. Rejects with an Error that begins with `name`, the config's. */
export async function checkNewModel(config: TrainConfig, name: string): Promise<void> {
  const least = await runModelType(config.model).check(config, name)
  await naming(`${name}: samples`, () => imageSamplingOf(config.samples, config.objective))
  checkMemory(least, config, name)
}

/** What cannot fit is refused before minutes go into weights and data for it. */
function checkMemory(
  { parameters, patches, weights, batch }: LeastMemory,
  { device }: TrainConfig,
  name: string,
): void {
  const { limit } = memory(device)
  const most = `of a memory limit of ${formatBytes(limit)}`
  if (weights > limit)
    throw new Error(
      `${name}: model: ${parameters.toLocaleString('en')} parameters take ${formatBytes(weights)} with their gradients ` +
        `and the optimizer's state, ${most}; take a smaller preset, fewer layers or channels, or a machine with more memory`,
    )
  if (weights + batch > limit)
    throw new Error(
      `${name}: training.batchSize: images of ${patches.toLocaleString('en')} patches each take at least ` +
        `${formatBytes(batch)} in a step, beside ${formatBytes(weights)} for the weights, ${most}; take fewer images, ` +
        'smaller ones, a larger model.image.patch or more micro-batches (training.gradientAccumulation)',
    )
}

/** How the sheets' images are sampled, and from what prompts. Rejects with an Error that begins with `name`, the config's. */
export async function checkSamples(
  model: GenerativeModel,
  { every: _every, prompts = [], ...options }: TrainConfig['samples'],
  name: string,
): Promise<void> {
  await naming(`${name}: samples`, () => checkImageGeneration(model, [], options))
  for (const [i, prompt] of prompts.entries())
    await naming(`${name}: samples.prompts[${i}]`, () => checkImageGeneration(model, [prompt], options))
}

async function naming(what: string, check: () => unknown): Promise<void> {
  try {
    await check()
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error })
  }
}
