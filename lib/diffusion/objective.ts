/**
 * What the network gives and how its error counts: two separate choices. N images.
 *
 *     eps: the noise    v = signal eps - sigma x0 (Salimans & Ho 2022)    velocity = eps - x0    x0: the clean image
 *
 * Given x_t they are linear in each other, and their squared errors are in proportion, with SNR = signal^2 / sigma^2:
 *
 *     |eps error|^2 = SNR |x0 error|^2                |v error|^2 = ((signal^2 + sigma^2) / sigma)^2 |x0 error|^2
 *     |velocity error|^2 = ((signal + sigma) / sigma)^2 |x0 error|^2
 */
import { z } from 'zod'
import { checkArguments } from '../arguments.js'
import { cosineSchedule, flowSchedule, type NoiseSchedule } from './schedule.js'

export const predictionSchema = z.enum(['eps', 'v', 'velocity', 'x0'])
export type Prediction = z.infer<typeof predictionSchema>

export const objectiveSchema = z
  .strictObject({
    /** How images are noised: DDPM on the cosine schedule, the paper's, or rectified flow (flow matching). */
    process: z.enum(['ddpm', 'flow']).default('ddpm'),
    /** What the network gives; eps is the paper's. */
    prediction: predictionSchema.default('eps'),
    /**
     * Which squared error the loss is, whatever the prediction: of eps, the paper's, of v, velocity or x0, or minSnr:
     * |x0 error|^2 min(SNR, snrLimit) (Hang et al. 2023).
     */
    weighting: z.enum(['eps', 'v', 'velocity', 'x0', 'minSnr']).default('eps'),
    /** The limit of minSnr. */
    snrLimit: z.number().positive().default(5),
    /**
     * The most that one image's error is multiplied by (our choice). It matters where the network gives something
     * else than what is weighted: without it one image near t = 0 (x0 as eps) or T (eps as x0) drowns the others.
     */
    weightLimit: z.number().positive().default(20),
  })
  .refine(({ process, prediction }) => process !== 'flow' || prediction !== 'eps', {
    error:
      'expected velocity, v or x0 with flow, at whose end nothing is left of the image: the noise does not tell it',
    path: ['prediction'],
  })
/** What the network gives for images and how its error counts, defaults filled in. @useDeclaredType */
export type Objective = z.infer<typeof objectiveSchema>

/** The noise that an objective's images are trained and drawn with. */
export function scheduleOf(objective: Pick<Objective, 'process'>): NoiseSchedule {
  checkArguments('scheduleOf', { objective: [objective, 'object'] })
  return objective.process === 'flow' ? flowSchedule() : cosineSchedule()
}

/** Per-image arguments [N] of the kernels add_noise and diffusion_loss, and of the timestep embedding. */
export interface DiffusionTargets {
  /** 0 .. T. */
  readonly t: Float32Array
  /** x_t = signal x0 + sigma eps. */
  readonly signal: Float32Array
  /** See signal. */
  readonly sigma: Float32Array
  /** The network is to give targetX0 x0 + targetEps eps; its mean squared error is multiplied by weight. */
  readonly targetX0: Float32Array
  /** See targetX0. */
  readonly targetEps: Float32Array
  /** See targetX0. */
  readonly weight: Float32Array
}

/** Throws a RangeError when a t is not one of the schedule's. */
export function diffusionTargets(
  schedule: NoiseSchedule,
  objective: Objective,
  timesteps: ArrayLike<number>,
): DiffusionTargets {
  checkArguments('diffusionTargets', {
    schedule: [schedule, 'schedule'],
    objective: [objective, 'object'],
    timesteps: [timesteps, 'numbers'],
  })
  const perImage = () => new Float32Array(timesteps.length)
  const targets = {
    t: perImage(),
    signal: perImage(),
    sigma: perImage(),
    targetX0: perImage(),
    targetEps: perImage(),
    weight: perImage(),
  }
  for (let i = 0; i < timesteps.length; i++) {
    const t = timesteps[i]!
    const { signal, sigma } = schedule.level(t)
    const { x0, eps } = target(schedule, objective.prediction, t)
    targets.t[i] = t
    targets.signal[i] = signal
    targets.sigma[i] = sigma
    targets.targetX0[i] = x0
    targets.targetEps[i] = eps
    targets.weight[i] = lossWeight(schedule, objective, t)
  }
  return targets
}

/** What the network is to give, as x0 and eps are to be added up. */
function target(schedule: NoiseSchedule, prediction: Prediction, t: number): { x0: number; eps: number } {
  const { signal, sigma } = schedule.level(t)
  switch (prediction) {
    case 'eps':
      return { x0: 0, eps: 1 }
    case 'v':
      return { x0: -sigma, eps: signal }
    case 'velocity':
      return { x0: -1, eps: 1 }
    case 'x0':
      return { x0: 1, eps: 0 }
  }
}

/** Factor of the network's squared error at t; 0 at t = 0, where nothing is hidden (and SNR is infinite). */
export function lossWeight(schedule: NoiseSchedule, objective: Objective, t: number): number {
  const { signal, sigma } = schedule.level(t)
  if (sigma === 0) return 0
  const snr = (signal / sigma) ** 2
  // Squared error of each kind per squared error of x0.
  const perX0 = {
    eps: snr,
    v: ((signal ** 2 + sigma ** 2) / sigma) ** 2,
    velocity: ((signal + sigma) / sigma) ** 2,
    x0: 1,
    minSnr: Math.min(snr, objective.snrLimit),
  }
  return Math.min(perX0[objective.weighting] / perX0[objective.prediction], objective.weightLimit)
}

/**
 * x0 = fromX x_t + fromPrediction p, for the kernel `denoise`. Finite at every t; from eps it amplifies the
 * network's error by up to 20,000 (t = T), so x0 must be clipped to the data's range.
 */
export function cleanImage(
  schedule: NoiseSchedule,
  prediction: Prediction,
  t: number,
): { fromX: number; fromPrediction: number } {
  const { signal, sigma } = schedule.level(t)
  switch (prediction) {
    case 'eps':
      return { fromX: 1 / signal, fromPrediction: -sigma / signal }
    case 'v':
      return {
        fromX: signal / (signal ** 2 + sigma ** 2),
        fromPrediction: -sigma / (signal ** 2 + sigma ** 2),
      }
    case 'velocity':
      return { fromX: 1 / (signal + sigma), fromPrediction: -sigma / (signal + sigma) }
    case 'x0':
      return { fromX: 0, fromPrediction: 1 }
  }
}
