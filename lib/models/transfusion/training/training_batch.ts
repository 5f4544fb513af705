import { checkArguments, checkOptions } from '../../../arguments.js'
import { parseConfig } from '../../../config/parse.js'
import { diffusionTargets, scheduleOf } from '../../../diffusion/objective.js'
import type { NoiseSchedule } from '../../../diffusion/schedule.js'
import { sampleTimesteps, type TimestepSettings, timestepsSchema } from '../../../diffusion/timesteps.js'
import type { TransfusionConfig } from '../config.js'
import type { ModelParts } from '../io/folder.js'
import type { TrainingBatch } from './loss.js'
import { encodeImages, type ImageInput } from '../../../sequence/image_parts.js'
import { randomSeeds } from '../../../random.js'
import { type CodeTokens, codeTokensOf, sequenceOfTokens } from '../../../sequence/code_tokens.js'
import { splitValues } from '../../../image/codec.js'
import { packSequences } from '../../../sequence/packing.js'
import { packingOf } from '../../../sequence/packing_options.js'
import type { TrainingSequence } from '../../../sequence/training_sequence.js'

/** How the images of a batch are noised. */
export interface BatchNoise {
  /** By default the one of the model's objective. */
  schedule?: NoiseSchedule
  /** How t is drawn; by default evenly, the paper's way. */
  timesteps?: TimestepSettings
  /** Timesteps and noise follow from it, the step and the image's number in it. Default 0. */
  seed?: number
  /** Of training, from 0. Default 0. */
  step?: number
  /** The number of the batch's first image in the step: above 0 for further micro-batches. Default 0. */
  firstImage?: number
}

const noiseKeys = { schedule: true, timesteps: true, seed: true, step: true, firstImage: true } as const

/**
 * Packs sequences into one, in which none sees another, and draws a timestep and noise for each image: what
 * `transfusionLoss` takes. The model's codec encodes the images. Rejects with a RangeError as `packSequences`, and a
 * ConfigError for wrong timestep settings.
 */
export async function trainingBatch(
  model: Pick<ModelParts, 'objective' | 'codec'> & { network: { config: TransfusionConfig } },
  sequences: readonly TrainingSequence<ImageInput>[],
  noise: BatchNoise = {},
): Promise<TrainingBatch> {
  checkArguments('trainingBatch', {
    model: [model, 'object'],
    sequences: [sequences, 'array'],
  })
  checkOptions('trainingBatch', noise, noiseKeys, 'noise')
  const { network, objective } = model
  checkArguments('trainingBatch', { 'model.network.config': [network?.config, 'config'] })
  const { schedule = scheduleOf(objective), timesteps = {}, seed = 0, step = 0, firstImage = 0 } = noise
  const codes = codeTokensOf(network.config)
  const read = codes ? await asTokens(sequences, model, codes) : sequences
  const packed = packSequences(read, packingOf(network.config))
  const settings = parseConfig(timestepsSchema, timesteps, 'timesteps')
  const t = sampleTimesteps(settings, schedule, packed.limitNoise, seed, step, firstImage)
  return {
    packed,
    values: await encodeImages(packed.images, model),
    targets: diffusionTargets(schedule, objective, t),
    seeds: randomSeeds(seed, 'noise', step, packed.images.length, firstImage),
  }
}

/** Sequences with their images as tokens, LM targets all. */
async function asTokens(
  sequences: readonly TrainingSequence<ImageInput>[],
  model: Parameters<typeof encodeImages>[1],
  codes: CodeTokens,
): Promise<TrainingSequence<never>[]> {
  const images = sequences.flatMap(({ images }) => images)
  const encoded = splitValues(await encodeImages(images, model), images, 1)
  let first = 0
  return sequences.map((sequence) => {
    const own = encoded.slice(first, (first += sequence.images.length))
    return sequenceOfTokens(sequence, own, codes, true)
  })
}
