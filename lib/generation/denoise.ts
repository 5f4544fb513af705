import type { z } from 'zod'
import { type Objective, type Prediction, scheduleOf } from '../diffusion/objective.js'
import { denoiseCoefficients, type Sampler } from '../diffusion/sampler.js'
import { createSampler } from '../diffusion/samplers.js'
import type { NoiseSchedule } from '../diffusion/schedule.js'
import type { TransfusionNetwork } from '../models/transfusion/model.js'
import { concat } from '../ops/concat.js'
import { denoise } from '../ops/denoise.js'
import { normal } from '../ops/noise.js'
import { rowSeeds } from '../random.js'
import type { ImagePart } from '../sequence/document.js'
import { layoutRuns, sequenceStart } from '../sequence/layout.js'
import type { Job } from '../tensor/job.js'
import { RunAhead } from '../tensor/run_ahead.js'
import { keep } from '../tensor/scope.js'
import { fence } from '../tensor/device.js'
import { fromArray, full, type Tensor } from '../tensor/tensor.js'
import type { Decoder } from './decoder.js'
import { infer } from './infer.js'
import type { imageOptionsSchema } from './options.js'

export interface DenoiseOptions {
  schedule: NoiseSchedule
  prediction: Prediction
  sampler: Sampler
  steps: number
  /** Scale of classifier-free guidance; 1 is none. */
  guidance: number
  /** Of t / T: beyond it the scale is 1. */
  guidanceInterval: readonly [number, number]
  /** The data's range, to which x0 is clipped at every step; undefined: not clipped. */
  clip: readonly [number, number] | undefined
  /** One per image: the same image for the same seed, whatever is drawn beside it. */
  seeds: readonly number[]
  job: Job
}

/** How images are drawn, from a user's options and what the model predicts. */
export function denoiseSettings(options: z.output<typeof imageOptionsSchema>, objective: Objective) {
  return {
    schedule: scheduleOf(objective),
    prediction: objective.prediction,
    sampler: createSampler(options.sampler, objective),
    steps: options.steps,
    guidance: options.guidance,
    guidanceInterval: options.guidanceInterval,
    clip: options.clip ? ([-1, 1] as const) : undefined,
  }
}

/**
 * Diffusion mode: draws one image after each of the decoder's sequences 0 .. N - 1, all together. With guidance,
 * sequences N .. 2N - 1 are their unconditional forms, and one call of the model computes both branches. Each step
 * computes the images' patches alone: what precedes them is in the cache. Yields after every step but the last, with
 * the current estimate x0 [S, channels] until the next step, and returns the images [S, channels] f32, which the
 * caller owns. The sequences are not extended: commit the clean images next.
 */
export async function* denoiseImages(
  model: TransfusionNetwork,
  decoder: Decoder,
  images: readonly ImagePart[],
  options: DenoiseOptions,
): AsyncGenerator<{ step: number; steps: number; x0: Tensor }, Tensor, undefined> {
  const { schedule, prediction, guidance, guidanceInterval, seeds, job } = options
  const guided = guidance !== 1
  const [least, most] = guidanceInterval
  const guidanceAt = (t: number) => (t >= least * schedule.steps && t <= most * schedule.steps ? guidance : 1)
  const branches = guided ? [...images, ...images] : images
  const { call, imageRows, start } = infer(job, () => {
    const call = decoder.prepare(branches.map((image) => [image]))
    const imageRows = fromArray(
      layoutRuns([{ spans: images, start: sequenceStart, keyStart: 0 }], model.config.image.patch).imageRows,
    )
    const start = normal(imageRows, seedTensor(seeds, 0), model.config.image.channels, pixelRows(images))
    return { call, imageRows, start }
  })
  const owned = new Set([imageRows, start, ...tensorsOf(call)].map(keep))
  try {
    const steps = options.sampler.steps(options.steps)
    const runAhead = new RunAhead()
    let x = start
    let previous: Tensor | undefined
    for (const [number, step] of steps.entries()) {
      const next = infer(job, () => {
        const t = full([branches.length], step.t)
        const hidden = decoder.run(call, { pixels: guided ? concat([x, x], 0) : x, t })
        const predicted = model.imagePrediction(hidden, call.layout)
        const denoised = denoise({
          x,
          conditional: predicted.view(x.shape),
          unconditional: guided ? predicted.view(x.shape, x.elements) : undefined,
          previous,
          imageRows,
          coefficients: fromArray(
            denoiseCoefficients(
              schedule,
              prediction,
              images.map(() => ({ step, guidance: guidanceAt(step.t) })),
            ),
            [images.length, 7],
          ),
          seeds: seedTensor(seeds, number + 1),
          clip: options.clip,
        })
        return denoised
      })
      for (const old of [x, previous]) if (old && owned.delete(old)) old.free()
      x = keep(next.y)
      previous = keep(next.x0)
      owned.add(x).add(previous)
      await runAhead.step(job.run(fence))
      if (number + 1 < steps.length) yield { step: number + 1, steps: steps.length, x0: next.x0 }
    }
    await runAhead.finish()
    owned.delete(x)
    return x
  } finally {
    for (const tensor of owned) tensor.free()
  }
}

const pixelRows = (images: readonly ImagePart[]) =>
  images.reduce((rows, { height, width }) => rows + height * width, 0)

/** Seeds [N, 4] of one step: each image has its own key. */
const seedTensor = (seeds: readonly number[], step: number): Tensor =>
  fromArray(rowSeeds(seeds, 'noise', step), [seeds.length, 4])

function tensorsOf({ layout, slots }: ReturnType<Decoder['prepare']>): Tensor[] {
  const { spans, pixelRows: _rows, images: _images, ...tensors } = layout
  return [slots, ...Object.values(spans), ...Object.values(tensors)]
}
