import { describe, expect, it } from 'vitest'
import {
  x0Coefficients,
  diffusionTargets,
  lossWeight,
  objectiveSchema,
  predictionSchema,
  scheduleOf,
  type Objective,
} from '../../lib/diffusion/objective.js'
import { cosineSchedule } from '../../lib/diffusion/schedule.js'

const schedule = cosineSchedule()
const predictions = predictionSchema.options
const objective = (options: Partial<Objective>) => objectiveSchema.parse(options)
const [x0, eps] = [0.7, -1.3]
const unlimited = 1e12

describe('objective', () => {
  it("is the paper's by default, and refuses what it does not know", () => {
    expect(objectiveSchema.parse({})).toMatchObject({ prediction: 'eps', weighting: 'eps' })
    expect(() => objectiveSchema.parse({ prediction: 'score' })).toThrow('prediction')
    expect(() => objectiveSchema.parse({ weight: 'v' })).toThrow('unrecognized_keys')
  })

  it.each(predictions)('recovers the clean image from its own target: %s', (prediction) => {
    for (let t = 0; t <= schedule.steps; t++) {
      const { alpha, sigma } = schedule.coefficients(t)
      const { targetX0, targetEps } = exactTarget(prediction, t)
      const p = targetX0 * x0 + targetEps * eps
      const { fromX, fromPrediction } = x0Coefficients(schedule, prediction, t)
      // 20,000 times rounding at t = T.
      expect(fromX * (alpha * x0 + sigma * eps) + fromPrediction * p).toBeCloseTo(x0, 11)
    }
  })

  it.each(predictions)('gives the kernels the target of %s', (prediction) => {
    const targets = diffusionTargets(schedule, objective({ prediction }), [0, 1, 250, 1000])
    Array.from(targets.t).forEach((t, i) => {
      const { targetX0, targetEps } = exactTarget(prediction, t)
      expect(targets.targetX0[i]).toBe(Math.fround(targetX0))
      expect(targets.targetEps[i]).toBe(Math.fround(targetEps))
      expect(targets.alpha[i]).toBe(Math.fround(schedule.alphas[t]!))
      expect(targets.sigma[i]).toBe(Math.fround(schedule.sigmas[t]!))
    })
  })

  it.each(
    predictions.flatMap((prediction) => predictions.map((weighting) => [prediction, weighting] as const)),
  )('counts the error of a network that gives %s as that of %s', (prediction, weighting) => {
    const given = objective({ prediction, weighting, weightLimit: unlimited })
    for (const t of [1, 2, 50, 500, 900, 999, 1000]) {
      const { alpha, sigma } = schedule.coefficients(t)
      const x = alpha * x0 + sigma * eps
      // A network that is wrong by 0.25 sees this x0, which means these eps and v.
      const { targetX0, targetEps } = exactTarget(prediction, t)
      const { fromX, fromPrediction } = x0Coefficients(schedule, prediction, t)
      const seen = fromX * x + fromPrediction * (targetX0 * x0 + targetEps * eps + 0.25)
      const seenEps = (x - alpha * seen) / sigma
      const error = {
        x0: seen - x0,
        eps: seenEps - eps,
        v: alpha * seenEps - sigma * seen - (alpha * eps - sigma * x0),
        velocity: seenEps - seen - (eps - x0),
      }[weighting]
      expect((lossWeight(schedule, given, t) * 0.25 ** 2) / error ** 2).toBeCloseTo(1, 6)
    }
  })

  it.each(predictions)('weighs the error of x0 by min(SNR, limit) under minSnr, given %s', (prediction) => {
    const given = objective({ prediction, weighting: 'minSnr', snrLimit: 5, weightLimit: unlimited })
    const asX0 = objective({ prediction, weighting: 'x0', weightLimit: unlimited })
    for (const t of [1, 100, 250, 260, 600, 1000]) {
      const { alpha, sigma } = schedule.coefficients(t)
      const ratio = lossWeight(schedule, given, t) / lossWeight(schedule, asX0, t)
      expect(ratio).toBeCloseTo(Math.min((alpha / sigma) ** 2, 5), 10)
    }
  })

  it('is a plain error where the network gives what is weighted', () => {
    for (const prediction of predictions) {
      const plain = objective({ prediction, weighting: prediction })
      const { weight } = diffusionTargets(schedule, plain, [1, 500, 1000])
      expect(Array.from(weight)).toEqual([1, 1, 1])
    }
  })

  it('limits the weight: x0 weighted as v is 1 / (1 - abar), at most the limit', () => {
    const given = objective({ prediction: 'x0', weighting: 'v', weightLimit: 20 })
    expect(lossWeight(schedule, given, 1)).toBe(20)
    expect(lossWeight(schedule, given, 500)).toBeCloseTo(1 / (1 - schedule.alphas[500]! ** 2), 12)
  })

  it('has no loss on clean images, and only finite coefficients', () => {
    const weightings = ['eps', 'v', 'x0', 'minSnr'] as const
    const all = Array.from({ length: schedule.steps + 1 }, (_, t) => t)
    for (const prediction of predictions) {
      for (const weighting of weightings) {
        const targets = diffusionTargets(schedule, objective({ prediction, weighting }), all)
        expect(targets.weight[0]).toBe(0)
        for (const values of Object.values(targets)) expect(values.every(Number.isFinite)).toBe(true)
      }
    }
  })

  it('weighs x0 as the velocity by 1 / t^2 in flow, at most the limit, and recovers the image at any t', () => {
    const flow = scheduleOf({ process: 'flow' })
    const given = objective({ process: 'flow', prediction: 'x0', weighting: 'velocity', weightLimit: 400 })
    expect(lossWeight(flow, given, 500)).toBeCloseTo(4, 12)
    expect(lossWeight(flow, given, 10)).toBe(400)
    for (const prediction of ['velocity', 'v', 'x0'] as const)
      for (const t of [0, 0.3, 17.25, 500, 999.9, 1000]) {
        const { alpha, sigma } = flow.coefficients(t)
        const { targetX0, targetEps } = diffusionTargets(flow, objective({ process: 'flow', prediction }), [
          t,
        ])
        const { fromX, fromPrediction } = x0Coefficients(flow, prediction, t)
        const p = targetX0[0]! * x0 + targetEps[0]! * eps
        expect(fromX * (alpha * x0 + sigma * eps) + fromPrediction * p).toBeCloseTo(x0, 6)
      }
  })

  it('refuses to tell the image from the noise of flow, whose end has nothing of it', () => {
    expect(() => objectiveSchema.parse({ process: 'flow' })).toThrow('velocity, v or x0 with flow')
  })

  it('refuses a timestep beyond T', () => {
    expect(() => diffusionTargets(schedule, objective({}), [1, 1001])).toThrow(
      't must be an integer in 0..1000, received 1001',
    )
  })
})

function exactTarget(
  prediction: Objective['prediction'],
  t: number,
): { targetX0: number; targetEps: number } {
  const { alpha, sigma } = schedule.coefficients(t)
  return {
    eps: { targetX0: 0, targetEps: 1 },
    v: { targetX0: -sigma, targetEps: alpha },
    velocity: { targetX0: -1, targetEps: 1 },
    x0: { targetX0: 1, targetEps: 0 },
  }[prediction]
}
