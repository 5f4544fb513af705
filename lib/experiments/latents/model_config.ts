import { downscaleOf } from '../../models/autoencoder/config.js'
import type { WrittenModelOptions } from '../../models/transfusion/model_options.js'
import type { ComputeType } from '../../nn/arena.js'
import type { WrittenGenerativeConfig } from '../../run/generative/config.js'
import type { Device } from '../../tensor/device.js'
import { emojiTransformer } from '../demo/demo_emoji.js'
import type { DemoTask } from '../demo/demo_task.js'
import { autoencoderSizes, type LatentSide } from './autoencoder_config.js'

/** Positions of a latent along a side of a patch, as in the paper. */
const patch = 2

/** Pairs of a step: of 64 patches each, or of 256. */
const batchSizes = { 64: 64, 128: 64, 256: 32 } as const satisfies Record<LatentSide, number>

/** A model of text and of the latents of an autoencoder, which lies in a folder. */
export function latentsModel(side: LatentSide, autoencoder: string) {
  const sizes = autoencoderSizes[side]
  const positions = side / downscaleOf(sizes)
  return {
    ...emojiTransformer,
    autoencoder,
    image: {
      channels: sizes.latentChannels,
      patch,
      height: positions,
      width: positions,
      positions: 'sincos',
    },
  } as const satisfies WrittenModelOptions
}

/** What a model of emoji is, where it is trained, and for how long. */
export interface EmojiModel {
  readonly side: LatentSide
  readonly model: WrittenGenerativeConfig['model']
  readonly data: WrittenGenerativeConfig['data']
  readonly minutes: number
  readonly precision: ComputeType
  readonly device: Device
}

/** The config of a model of text and emoji, for `transfusion train`: of a demo's task, but for its length. */
export const emojiModelConfig = (
  { objective, training, images, prompts }: Pick<DemoTask, 'objective' | 'training' | 'images' | 'prompts'>,
  { side, model, data, minutes, precision, device }: EmojiModel,
) =>
  ({
    data,
    model,
    objective,
    precision,
    device,
    training: { ...training, batchSize: batchSizes[side], minutes },
    samples: { every: 500, prompts: [...prompts], ...images },
    checkpoints: { every: 500 },
  }) satisfies WrittenGenerativeConfig
