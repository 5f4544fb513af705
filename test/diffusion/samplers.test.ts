import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ddim } from '../../lib/diffusion/ddim.js'
import { ddpm } from '../../lib/diffusion/ddpm.js'
import { dpmSolver } from '../../lib/diffusion/dpm_solver.js'
import { euler, heun } from '../../lib/diffusion/euler.js'
import { x0Coefficients, predictionSchema, type Prediction } from '../../lib/diffusion/objective.js'
import {
  denoiseCoefficients,
  type Sampler,
  type SamplerStep,
  samplerSteps,
  trailingTimesteps,
} from '../../lib/diffusion/sampler.js'
import { createSampler, samplersFor } from '../../lib/diffusion/samplers.js'
import { cosineSchedule, flowSchedule } from '../../lib/diffusion/schedule.js'
import { randomUniform } from '../../lib/random.js'

// Made by diffusers 0.42.1: its index i is t = i + 1 here.
const fixture = JSON.parse(readFileSync(new URL('../fixtures/samplers.json', import.meta.url), 'utf8')) as {
  ddim: { timesteps: number[]; path: number[][] }
  dpmpp2m: { timesteps: number[]; path: number[][] }
}
const fixtureModel = (x: number, t: number) => Math.tanh(x) * (1 - (t - 1) / 2000)
const schedule = cosineSchedule()
const abar = (t: number) => schedule.alphas[t]! ** 2

/** The path that a sampler takes, in float64: what the kernel `denoise` computes, without clipping. */
function drive(
  sampler: Sampler,
  prediction: Prediction,
  count: number,
  start: number[],
  cleanImageOf: (x: number, t: number) => number,
  noise = () => 0,
): number[][] {
  const path = [start]
  let previous = start.map(() => 0)
  for (const step of sampler.steps(count)) {
    const { alpha, sigma } = schedule.coefficients(step.t)
    const { fromX, fromPrediction } = x0Coefficients(schedule, prediction, step.t)
    const x = path.at(-1)!
    const seen = x.map((value) => {
      const x0 = cleanImageOf(value, step.t)
      const eps = (value - alpha * x0) / sigma
      return (
        fromX * value +
        fromPrediction * { eps, v: alpha * eps - sigma * x0, velocity: eps - x0, x0 }[prediction]
      )
    })
    path.push(
      x.map((value, i) => {
        const drawn = step.noiseCoeff === 0 ? 0 : noise()
        return (
          step.xCoeff * value +
          step.x0Coeff * seen[i]! +
          step.previousX0Coeff * previous[i]! +
          step.noiseCoeff * drawn
        )
      }),
    )
    previous = seen
  }
  return path
}

// Where diffusers 0.42.1 ends with one step too many, at its -1: set_timesteps of DDPMScheduler, DDIMScheduler and
// DPMSolverMultistepScheduler, timestep_spacing "trailing"; the steps before it are those listed here.
const oneTooMany =
  '61 103 121 122 201 206 217 223 227 233 242 244 397 402 412 419 434 446 454 457 463 465 466 484 485 487 488 497 499 ' +
  '769 794 804 805 824 829 835 838 868 871 887 892 908 914 926 930 932 937 941 951 961 965 968 970 974 975 976 979 981 ' +
  '985 994 995 998'

describe('trailingTimesteps', () => {
  const stepsOf = (count: number) => trailingTimesteps(schedule, count).map((t) => t - 1)

  it('are those of diffusers, for every count', () => {
    // 812.5 goes to the even side, 687.5 too.
    expect(stepsOf(16)).toEqual([
      999, 937, 874, 811, 749, 687, 624, 561, 499, 437, 374, 311, 249, 187, 124, 61, -1,
    ])
    const lists = Array.from({ length: 1000 }, (_, i) => stepsOf(i + 1).slice(0, -1))
    expect(createHash('sha256').update(JSON.stringify(lists)).digest('hex')).toBe(
      '2d2883a96a8f1b50b5df5929d6c1031d05bfe941cb1b9a1f462d560416351c08',
    )
  })

  it('are one more than the steps, and end at 0, where diffusers goes on too', () => {
    for (const count of oneTooMany.split(' ').map(Number)) {
      const timesteps = trailingTimesteps(schedule, count)
      expect(timesteps).toHaveLength(count + 1)
      expect(timesteps.slice(-2).map((t) => t > 0)).toEqual([true, false])
      expect(timesteps.at(-1)).toBe(0)
    }
  })
})

describe('ddim', () => {
  it.each(predictionSchema.options)("takes diffusers' path, the network giving %s", (prediction) => {
    const { timesteps, path: expected } = fixture.ddim
    expect(
      ddim(schedule)
        .steps(50)
        .map((step) => step.t - 1),
    ).toEqual(timesteps)
    const path = drive(ddim(schedule), prediction, 50, expected[0]!, fixtureModel)
    expect(path).toHaveLength(expected.length)
    path.forEach((x, i) =>
      x.forEach((value, j) => expect(Math.abs(value - expected[i]![j]!)).toBeLessThan(1e-5)),
    )
  })

  it('is DDPM at eta = 1', () => {
    const [a, b] = [ddim(schedule, { eta: 1 }).steps(37), ddpm(schedule).steps(37)]
    a.forEach((step, i) => {
      expect(step.xCoeff).toBeCloseTo(b[i]!.xCoeff, 12)
      expect(step.x0Coeff).toBeCloseTo(b[i]!.x0Coeff, 12)
      expect(step.noiseCoeff).toBeCloseTo(b[i]!.noiseCoeff, 12)
    })
  })

  it('draws no noise at eta = 0, and refuses eta outside 0..1', () => {
    expect(
      ddim(schedule)
        .steps(250)
        .every((step) => step.noiseCoeff === 0),
    ).toBe(true)
    expect(() => ddim(schedule, { eta: 1.5 })).toThrow(
      'ddim: options.eta must be a number in 0..1, received 1.5',
    )
  })
})

describe('dpmSolver', () => {
  it.each(predictionSchema.options)("takes diffusers' path, the network giving %s", (prediction) => {
    const { timesteps, path: expected } = fixture.dpmpp2m
    const sampler = dpmSolver(schedule)
    expect(sampler.steps(20).map((step) => step.t - 1)).toEqual(timesteps)
    const path = drive(sampler, prediction, 20, expected[0]!, fixtureModel)
    expect(path).toHaveLength(expected.length)
    path.forEach((x, i) =>
      x.forEach((value, j) => expect(Math.abs(value - expected[i]![j]!)).toBeLessThan(1e-5)),
    )
  })
})

describe('euler and heun', () => {
  const flow = flowSchedule()
  // Data N(0, d^2): x0 = d^2 (1 - t) / v(t) x with v = (1 - t)^2 d^2 + t^2, whose flow is x(t) = x(1) sqrt(v(t)).
  const d = 0.4
  const seen = (x: number, t: number) => {
    const s = t / 1000
    return ((d ** 2 * (1 - s)) / ((1 - s) ** 2 * d ** 2 + s ** 2)) * x
  }
  const errorOf = (sampler: Sampler, count: number) => {
    let x = 1.3
    let previous = 0
    for (const { t, xCoeff, x0Coeff, previousX0Coeff } of sampler.steps(count)) {
      const x0 = seen(x, t)
      x = xCoeff * x + x0Coeff * x0 + previousX0Coeff * previous
      previous = x0
    }
    return Math.abs(x - 1.3 * d)
  }

  it.each([
    ['euler', euler(flow), 2],
    ['heun', heun(flow), 4],
  ] as const)('%s solves the flow of a normal distribution with its order', (_, sampler, factor) => {
    const errors = [40, 80, 160].map((count) => errorOf(sampler, count))
    expect(errors[0]! / errors[1]!).toBeGreaterThan(0.85 * factor)
    expect(errors[1]! / errors[2]!).toBeGreaterThan(0.85 * factor)
    expect(errors[2]).toBeLessThan(factor === 2 ? 1e-2 : 1e-4)
  })

  it('calls the network once a step, and twice but for the last', () => {
    expect(
      euler(flow)
        .steps(10)
        .map(({ t }) => t),
    ).toEqual([1000, 900, 800, 700, 600, 500, 400, 300, 200, 100])
    expect(
      heun(flow)
        .steps(2)
        .map(({ t }) => t),
    ).toEqual([1000, 500, 500])
    expect(heun(flow).steps(7)).toHaveLength(13)
  })

  it('recovers the image exactly from a perfect network', () => {
    for (const sampler of [euler(flow), heun(flow)])
      for (const count of [1, 2, 25]) {
        let x = 1.7
        for (const { xCoeff, x0Coeff, previousX0Coeff } of sampler.steps(count))
          x = xCoeff * x + (x0Coeff + previousX0Coeff) * 0.37
        expect(x).toBeCloseTo(0.37, 10)
      }
  })
})

describe('samplerSteps', () => {
  const step: SamplerStep = { t: 1000, tNext: 0, xCoeff: 0, x0Coeff: 1, previousX0Coeff: 0, noiseCoeff: 0 }
  const own = (...steps: SamplerStep[]): Sampler => ({ schedule, steps: () => steps })

  it('takes those of all samplers as they are, and begins wherever they begin', () => {
    for (const sampler of [
      ddpm(schedule),
      ddim(schedule),
      dpmSolver(schedule),
      euler(flowSchedule()),
      heun(flowSchedule()),
    ])
      for (const count of [1, 7, 1000]) expect(samplerSteps(sampler, count)).toEqual(sampler.steps(count))
    expect(samplerSteps(own({ ...step, t: 981 }), 1)).toEqual([{ ...step, t: 981 }])
  })

  it.each([
    ['steps() must give one step or more, down to t = 0, received none', []],
    ['t of step 1 of 1 must be at most 1000, received 1001', [{ ...step, t: 1001 }]],
    ['t of step 1 of 1 must be at most 1000, received NaN', [{ ...step, t: NaN }]],
    ['tNext of step 1 of 1 must be 0, the last, received 10', [{ ...step, tNext: 10 }]],
    [
      't of step 2 of 2 must be 500, where the step before ends, received 400',
      [
        { ...step, tNext: 500 },
        { ...step, t: 400 },
      ],
    ],
    [
      'tNext of step 1 of 2 must be in 0..500, its t, received 600',
      [
        { ...step, t: 500, tNext: 600 },
        { ...step, t: 600 },
      ],
    ],
    ['t of step 2 of 2 must be above 0, received 0', [step, { ...step, t: 0 }]],
    ['x0Coeff of step 1 of 1 must be a finite number, received Infinity', [{ ...step, x0Coeff: Infinity }]],
  ])('refuses others: %s', (message, steps) => {
    expect(() => samplerSteps(own(...steps), 1)).toThrow(message)
  })
})

describe('createSampler', () => {
  it('takes what fits the process, the paper by default', () => {
    expect(createSampler(undefined, { process: 'ddpm' }).steps(3)).toEqual(ddpm(schedule).steps(3))
    expect(createSampler(undefined, { process: 'flow' }).steps(3)).toEqual(euler(flowSchedule()).steps(3))
    expect(() => createSampler('heun', { process: 'ddpm' })).toThrow(
      'sampler: name must be ddpm, ddim, dpmpp for a model that was trained with ddpm, received heun',
    )
    expect(() => createSampler('ddim', { process: 'flow' })).toThrow(
      'sampler: name must be euler, heun for a model that was trained with flow, received ddim',
    )
  })
})

describe('ddpm', () => {
  it('draws from the posterior between neighbours as Ho et al. (2020) write it', () => {
    for (const { t, tNext, xCoeff, x0Coeff, noiseCoeff } of ddpm(schedule).steps(1000)) {
      const beta = 1 - abar(t) / abar(tNext)
      expect(tNext).toBe(t - 1)
      expect(x0Coeff).toBeCloseTo((Math.sqrt(abar(t - 1)) * beta) / (1 - abar(t)), 10)
      expect(xCoeff).toBeCloseTo((Math.sqrt(1 - beta) * (1 - abar(t - 1))) / (1 - abar(t)), 10)
      expect(noiseCoeff ** 2).toBeCloseTo((beta * (1 - abar(t - 1))) / (1 - abar(t)), 10)
    }
  })

  it('satisfies Bayes between any two timesteps: q(s | t, x0) q(t | x0) = q(t | s) q(s | x0)', () => {
    // Both sides are Gaussian in (x_s, x_t): equal means, variances and covariance settle it.
    for (const { t, tNext, xCoeff, x0Coeff, noiseCoeff } of ddpm(schedule).steps(13)) {
      const [from, to] = [schedule.coefficients(t), schedule.coefficients(tNext)]
      const ratio = from.alpha / to.alpha
      expect(xCoeff * from.alpha + x0Coeff).toBeCloseTo(to.alpha, 12)
      expect(xCoeff ** 2 * from.sigma ** 2 + noiseCoeff ** 2).toBeCloseTo(to.sigma ** 2, 12)
      expect(xCoeff * from.sigma ** 2).toBeCloseTo(ratio * to.sigma ** 2, 12)
    }
  })
})

describe.each(samplersFor('ddpm'))('%s', (name) => {
  const sampler = createSampler(name, { process: 'ddpm' })

  it.each([1, 2, 3, 7, 30, 250, 999, 1000])('goes from T to 0 in %d steps, all different', (count) => {
    const steps = sampler.steps(count)
    expect(steps).toHaveLength(count)
    expect(steps[0]!.t).toBe(1000)
    expect(steps.at(-1)!.tNext).toBe(0)
    steps.forEach((step, i) => {
      expect(step.tNext).toBeLessThan(step.t)
      expect(step.tNext).toBe(steps[i + 1]?.t ?? 0)
    })
    // The last step gives x0 itself, without noise.
    const { xCoeff, x0Coeff, noiseCoeff } = steps.at(-1)!
    expect([xCoeff, Math.fround(x0Coeff), noiseCoeff]).toEqual([0, 1, 0])
  })

  it.each([0, 1001, 2.5, NaN])('refuses %d steps', (count) => {
    expect(() => sampler.steps(count)).toThrow(
      `sampler: steps must be an integer in 1..1000, received ${count}`,
    )
  })

  it.each(predictionSchema.options)(
    'recovers the image exactly from a perfect network that gives %s',
    (prediction) => {
      let draws = 0
      const noise = () => randomUniform(1, 'noise', 0, draws++) * 4 - 2
      for (const count of [1, 2, 25]) {
        const x0 = 0.37
        const path = drive(sampler, prediction, count, [1.7, -0.4], () => x0, noise)
        path.at(-1)!.forEach((value) => expect(value).toBeCloseTo(x0, 10))
      }
    },
  )

  it('keeps the forward process: given x0, every x_t has its mean and variance', () => {
    let [mean, variance] = [schedule.alphas[1000]!, schedule.sigmas[1000]! ** 2]
    for (const { tNext, xCoeff, x0Coeff, previousX0Coeff, noiseCoeff } of sampler.steps(40)) {
      mean = xCoeff * mean + x0Coeff + previousX0Coeff
      variance = xCoeff ** 2 * variance + noiseCoeff ** 2
      expect(mean).toBeCloseTo(schedule.alphas[tNext]!, 12)
      expect(variance).toBeCloseTo(schedule.sigmas[tNext]! ** 2, 12)
    }
  })
})

it('lays out the coefficients of denoise: guidance, fromX, fromPrediction, xCoeff, x0Coeff, previousX0Coeff, noiseCoeff', () => {
  const [first, second] = ddpm(schedule).steps(2)
  const rows = denoiseCoefficients(schedule, 'v', [
    { step: first!, guidance: 5 },
    { step: second!, guidance: 1 },
  ])
  const row = (t: number, guidance: number, k: typeof first) =>
    [guidance, schedule.alphas[t]!, -schedule.sigmas[t]!, k!.xCoeff, k!.x0Coeff, 0, k!.noiseCoeff].map(
      Math.fround,
    )
  expect(Array.from(rows)).toEqual([...row(1000, 5, first), ...row(500, 1, second)])
})
