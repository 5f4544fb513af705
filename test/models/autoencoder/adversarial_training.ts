import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { readSafetensors } from '../../../lib/files/safetensors/safetensors.js'
import { adversarialLoss } from '../../../lib/models/autoencoder/training/adversarial.js'
import { PatchDiscriminator } from '../../../lib/models/autoencoder/training/discriminator.js'
import { type ComputeType, ParameterArena } from '../../../lib/nn/arena.js'
import { Conv2d } from '../../../lib/nn/conv2d.js'
import { ParameterList } from '../../../lib/nn/parameters.js'
import { add } from '../../../lib/ops/add.js'
import { cast } from '../../../lib/ops/cast.js'
import { leakyRelu } from '../../../lib/ops/leaky_relu.js'
import { mean } from '../../../lib/ops/reduce.js'
import { scale } from '../../../lib/ops/scale.js'
import { silu } from '../../../lib/ops/silu.js'
import { currentDevice, type Device } from '../../../lib/tensor/device.js'
import { fromArray, type Tensor } from '../../../lib/tensor/tensor.js'
import type { TaskLoss, TrainingTask } from '../../../lib/training/task.js'
import { arenaCheckpoint } from '../../training/arena_checkpoint.js'

const path = (name: string) => fileURLToPath(new URL(`../../fixtures/discriminator/${name}`, import.meta.url))

/** What PyTorch has made of a discriminator and an autoencoder, see the fixture's README. */
export async function pytorchTraining() {
  const { tensors } = await readSafetensors(path('expected.safetensors'))
  const json = JSON.parse(await readFile(path('expected.json'), 'utf8')) as {
    terms: number[][]
    float32_error: Record<string, number>
  }
  return { tensors, ...json }
}

type Stored = Awaited<ReturnType<typeof pytorchTraining>>['tensors']

/** The sizes that the fixture's networks have. */
export const sizes = { imageChannels: 3, channels: 4, layers: 2 }
/** The step from which on the fixture trains the discriminator. */
export const start = 1
/** [images, height, width, channels] of a step. */
export const shape = [2, 16, 16, 3]

/** Writes the fixture's weights of a network, `initial` or `trained`. */
export function writeWeights(arena: ParameterArena, stored: Stored, prefix: string): void {
  for (const parameter of arena.parameters)
    arena.write(parameter, stored.get(`${prefix}.${parameter.name}`)!.data as Float32Array)
  arena.updated()
}

/** The mean absolute error of reconstructions, by ops whose derivative is PyTorch's. */
export function absoluteError(y: Tensor, x: Tensor): Tensor {
  const error = add(y, scale(x, -1))
  return mean(add(leakyRelu(error, 0), leakyRelu(scale(error, -1), 0)))
}

export interface AdversarialTaskOptions {
  compute?: ComputeType
  device?: Device
  adaptive?: boolean
  /** Of all images, by the step. */
  scaled?: (step: number) => number
}

interface Images {
  step: number
  values: Float32Array
  images: number
}

/** The fixture's autoencoder and discriminator, trained on its images over and over. */
export async function adversarialTraining({
  compute = 'f32',
  device = currentDevice(),
  adaptive = true,
  scaled = () => 1,
}: AdversarialTaskOptions = {}) {
  const { tensors: stored } = await pytorchTraining()
  const list = new ParameterList()
  const [input, last] = [new Conv2d(list.under('input'), 3, 6), new Conv2d(list.under('last'), 6, 3)]
  const arena = new ParameterArena(list.parameters, compute, device)
  const discriminator = new PatchDiscriminator(sizes, compute, device)
  writeWeights(arena, stored, 'initial.autoencoder')
  writeWeights(discriminator.arena, stored, 'initial.discriminator')
  const { data } = stored.get('images')!
  const elements = shape.reduce((a, b) => a * b)
  const optimizer = { beta1: 0.5, beta2: 0.9, weightDecay: 0.01, clip: 1e6 }
  const task: TrainingTask<Images, { next: number }> = {
    arena,
    companions: [{ name: 'discriminator', arena: discriminator.arena, optimizer }],
    begin: ({ gradientAccumulation }) => ({
      next(step) {
        const values = (data as Float32Array)
          .slice((step % 3) * elements, ((step % 3) + 1) * elements)
          .map((value) => value * scaled(step))
        const part = elements / gradientAccumulation
        return {
          microBatches: Array.from({ length: gradientAccumulation }, (_, i) => ({
            step,
            values: values.subarray(i * part, (i + 1) * part),
            images: shape[0]! / gradientAccumulation,
          })),
          statistics: { counts: { images: shape[0]! } },
          dataState: { next: step + 1 },
        }
      },
    }),
    loss({ step, values, images }): TaskLoss {
      const x = fromArray(values, [images, ...shape.slice(1)])
      const share = images / shape[0]!
      const features = silu(input.forward(cast(x, compute)))
      const y = cast(last.forward(features), 'f32')
      const reconstructionLoss = (y: Tensor) => {
        const value = scale(absoluteError(y, x), share)
        return { value, others: { reconstruction: value } }
      }
      if (step < start) {
        const { value, others } = reconstructionLoss(y)
        return { total: value, terms: others }
      }
      const { total, companion, terms } = adversarialLoss(
        discriminator,
        {
          images: x,
          reconstructions: y,
          reconstructionLoss,
          lastLayerGradient: (dy) => last.weightGradient(dy, features),
          share,
        },
        { weight: 0.5, adaptive },
      )
      return { total, companions: { discriminator: companion }, terms }
    },
    checkpoint: arenaCheckpoint(arena),
  }
  return {
    task,
    arena,
    discriminator,
    [Symbol.dispose]() {
      arena[Symbol.dispose]()
      discriminator[Symbol.dispose]()
    },
  }
}
