/** What a training config has wrong, found before anything is trained, a tokenizer included. */
import { z } from 'zod'
import { parseConfig } from '../config/parse.js'
import { checkImageGeneration } from '../generation/generate_images.js'
import { imageSamplingOf } from '../generation/image_sampling.js'
import { transfusionConfigSchema } from '../models/transfusion/config.js'
import type { ModelParts } from '../models/transfusion/io/folder.js'
import { formatBytes } from '../reporting/report/numbers.js'
import { requireImagePreparation } from '../sequence/image_model.js'
import { patchGrid } from '../sequence/metadata.js'
import { memory } from '../tensor/device.js'
import { leastMemory } from './least_memory.js'
import { modelOptions, type TrainConfig } from './train_config.js'

/** Stands for a tokenizer that is not there yet. */
const anyVocabulary = { vocabulary: 3, tokens: { end: 0, boi: 1, eoi: 2 } }

/** The settings of a new model, and how its images are drawn. Rejects with an Error that begins with `name`, the config's. */
export async function checkNewModel(config: TrainConfig, name: string): Promise<void> {
  const { data, model, imagePreparation, samples, objective, training } = config
  const sizes = parseConfig(
    z.object({ model: transfusionConfigSchema }),
    { model: { ...modelOptions(model), ...anyVocabulary } },
    name,
  )
  checkChannels(data, model.image.channels, name)
  const images = { network: { config: sizes.model }, imagePreparation }
  const preparation = requireImagePreparation(images, `${name}: imagePreparation`)
  await naming(`${name}: samples`, () => imageSamplingOf(samples, objective))
  const { rows, columns } = patchGrid(preparation, sizes.model.image.patch)
  checkMemory(sizes.model, config, rows * columns, name)
  // Each document of a folder has an image, which stands between BOI and EOI and is not cut.
  if (data.type === 'folder') checkBatchTokens(training, rows * columns, name)
}

/** Image files are gray or have three colours, MNIST's are gray. */
function checkChannels(data: TrainConfig['data'], channels: number, name: string): void {
  const sources = data.type === 'mixture' ? data.sources : [data]
  const gray = sources.find(({ type }) => type === 'idx' || type === 'fashion-mnist')
  const expected = gray ? [1] : [1, 3]
  if (expected.includes(channels)) return
  throw new Error(
    `${name}: model.image.channels: expected ${expected.join(' or ')}, as ` +
      `${gray ? `images of "${gray.type}"` : 'image files'} have; received ${channels}`,
  )
}

/** What cannot fit is refused before minutes go into weights and pictures for it. */
function checkMemory(
  sizes: z.output<typeof transfusionConfigSchema>,
  config: TrainConfig,
  patches: number,
  name: string,
): void {
  const { limit } = memory(config.device)
  const { parameters, weights, batch } = leastMemory(sizes, config, patches)
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

function checkBatchTokens(
  { batchTokens = Infinity, gradientAccumulation }: TrainConfig['training'],
  patches: number,
  name: string,
): void {
  const least = patches + 2
  if (Math.floor(batchTokens / gradientAccumulation) >= least) return
  throw new Error(
    `${name}: training.batchTokens: expected at least ${least * gradientAccumulation}: an image has ${patches} patches and two ` +
      `tokens that frame it, and a batch ${gradientAccumulation} micro-batches; received ${batchTokens}`,
  )
}

/** How sheets are drawn, and of what. Rejects with an Error that begins with `name`, the config's. */
export async function checkSamples(
  model: ModelParts,
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
