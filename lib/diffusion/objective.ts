/**
 * What the network predicts and how its error is weighted: two separate choices. N images. With the schedule's alpha and
 * sigma, x_t = alpha x0 + sigma eps:
 *
 *     eps: the noise    v = alpha eps - sigma x0 (Salimans & Ho 2022)    velocity = eps - x0    x0: the clean image
 *
 * Given x_t they are linear in each other, and their squared errors are in proportion, with SNR = alpha^2 / sigma^2:
 *
 *     |eps error|^2 = SNR |x0 error|^2                |v error|^2 = ((alpha^2 + sigma^2) / sigma)^2 |x0 error|^2
 *     |velocity error|^2 = ((alpha + sigma) / sigma)^2 |x0 error|^2
 */
import { z } from 'zod'
import { checkArguments } from '../arguments.js'
import { cosineSchedule, flowSchedule, type NoiseSchedule } from './schedule.js'

export const predictionSchema = z.enum(['eps', 'v', 'velocity', 'x0'])
export type Prediction = z.infer<typeof predictionSchema>

export const objectiveSchema = z
  .strictObject({
    /** How noise is added to images: DDPM on the cosine schedule, the paper's, or rectified flow (flow matching). */
    process: z.enum(['ddpm', 'flow']).default('ddpm'),
    /** What the network predicts; eps is the paper's. */
    prediction: predictionSchema.default('eps'),
    /**
     * Which squared error the loss is, whatever the prediction: of eps, the paper's, of v, velocity or x0, or minSnr:
     * |x0 error|^2 min(SNR, snrLimit) (Hang et al. 2023).
     */
    weighting: z.enum(['eps', 'v', 'velocity', 'x0', 'minSnr']).default('eps'),
    /** The limit of minSnr. */
    snrLimit: z.number().positive().default(5),
    /**
     * The most that one image's error is multiplied by (our choice). It matters where the network predicts something
     * else than what is weighted: without it one image near t = 0 (x0 as eps) or T (eps as x0) drowns the others.
     */
    weightLimit: z.number().positive().default(20),
  })
  .refine(({ process, prediction }) => process !== 'flow' || prediction !== 'eps', {
    error:
      'expected velocity, v or x0 with flow, at whose end nothing is left of the image: the noise does not tell it',
    path: ['prediction'],
  })
/** What the network predicts of images and how its error is weighted, defaults filled in. @useDeclaredType */
export type Objective = z.infer<typeof objectiveSchema>

/** The noise schedule of an objective, in training and in sampling: the cosine schedule for ddpm, the line for flow. */
export function scheduleOf(objective: Pick<Objective, 'process'>): NoiseSchedule {
  checkArguments('scheduleOf', { objective: [objective, 'object'] })
  return objective.process === 'flow' ? flowSchedule() : cosineSchedule()
}

/** Per-image arguments [N] of the kernels add_noise and diffusion_loss, and of the timestep embedding. */
export interface DiffusionTargets {
  /** The timestep, 0 .. T. */
  readonly t: Float32Array
  /** Coefficient of the image in x_t = alpha x0 + sigma eps. */
  readonly alpha: Float32Array
  /** Coefficient of the noise in x_t. */
  readonly sigma: Float32Array
  /** Coefficient of the image in the network's target, targetX0 x0 + targetEps eps. */
  readonly targetX0: Float32Array
  /** Coefficient of the noise in the network's target. */
  readonly targetEps: Float32Array
  /** Factor of the image's mean squared error. */
  readonly weight: Float32Array
}

/**
 * The coefficients of N images in a training step: how much noise each gets, what the network is to predict of it and how
 * much its error weighs. `timesteps` [N], as the schedule has them.
 * @throws RangeError when a timestep is not one of the schedule's
 */
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
    alpha: perImage(),
    sigma: perImage(),
    targetX0: perImage(),
    targetEps: perImage(),
    weight: perImage(),
  }
  for (let i = 0; i < timesteps.length; i++) {
    const t = timesteps[i]!
    const { alpha, sigma } = schedule.coefficients(t)
    const { x0, eps } = target(schedule, objective.prediction, t)
    targets.t[i] = t
    targets.alpha[i] = alpha
    targets.sigma[i] = sigma
    targets.targetX0[i] = x0
    targets.targetEps[i] = eps
    targets.weight[i] = lossWeight(schedule, objective, t)
  }
  return targets
}

/** The network's target, as coefficients of x0 and eps. */
function target(schedule: NoiseSchedule, prediction: Prediction, t: number): { x0: number; eps: number } {
  const { alpha, sigma } = schedule.coefficients(t)
  switch (prediction) {
    case 'eps':
      return { x0: 0, eps: 1 }
    case 'v':
      return { x0: -sigma, eps: alpha }
    case 'velocity':
      return { x0: -1, eps: 1 }
    case 'x0':
      return { x0: 1, eps: 0 }
  }
}

/** Factor of the network's squared error at t; 0 at t = 0, where there is no noise (and SNR is infinite). */
export function lossWeight(schedule: NoiseSchedule, objective: Objective, t: number): number {
  const { alpha, sigma } = schedule.coefficients(t)
  if (sigma === 0) return 0
  const snr = (alpha / sigma) ** 2
  // The squared error of each prediction, for a squared error of x0 of 1.
  const perX0 = {
    eps: snr,
    v: ((alpha ** 2 + sigma ** 2) / sigma) ** 2,
    velocity: ((alpha + sigma) / sigma) ** 2,
    x0: 1,
    minSnr: Math.min(snr, objective.snrLimit),
  }
  return Math.min(perX0[objective.weighting] / perX0[objective.prediction], objective.weightLimit)
}

/**
 * The coefficients of x0 = fromX x_t + fromPrediction p, where p is the network's prediction, for the kernel `denoise`.
 * They are finite at every t, but from eps they amplify the network's error by up to 20,000 (t = T), so x0 must be clipped
 * to the data's range.
 */
export function x0Coefficients(
  schedule: NoiseSchedule,
  prediction: Prediction,
  t: number,
): { fromX: number; fromPrediction: number } {
  const { alpha, sigma } = schedule.coefficients(t)
  switch (prediction) {
    case 'eps':
      return { fromX: 1 / alpha, fromPrediction: -sigma / alpha }
    case 'v':
      return {
        fromX: alpha / (alpha ** 2 + sigma ** 2),
        fromPrediction: -sigma / (alpha ** 2 + sigma ** 2),
      }
    case 'velocity':
      return { fromX: 1 / (alpha + sigma), fromPrediction: -sigma / (alpha + sigma) }
    case 'x0':
      return { fromX: 0, fromPrediction: 1 }
  }
}
