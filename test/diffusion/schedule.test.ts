import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cosineSchedule } from '../../lib/diffusion/schedule.js'

// Made by diffusers 0.42.1, squaredcos_cap_v2.
const fixture = JSON.parse(readFileSync(new URL('../fixtures/samplers.json', import.meta.url), 'utf8')) as {
  alphas_cumprod: number[]
  add_noise: { t: number; x0: number[]; noise: number[]; xt: number[] }[]
}

describe('cosineSchedule', () => {
  const schedule = cosineSchedule()

  it("agrees with diffusers' alphas_cumprod, a product of 1000 float32 factors", () => {
    expect(fixture.alphas_cumprod).toHaveLength(schedule.steps)
    fixture.alphas_cumprod.forEach((alphaBar, i) => {
      expect(Math.abs(schedule.alphas[i + 1]! ** 2 / alphaBar - 1)).toBeLessThan(2e-5)
    })
  })

  it("agrees with diffusers' add_noise", () => {
    for (const { t, x0, noise, xt } of fixture.add_noise) {
      const { alpha, sigma } = schedule.coefficients(t + 1)
      xt.forEach((x, i) => expect(Math.abs(alpha * x0[i]! + sigma * noise[i]! - x)).toBeLessThan(1e-5))
    }
  })

  it('preserves variance, begins clean, and loses alpha at every t', () => {
    expect(schedule.coefficients(0)).toEqual({ alpha: 1, sigma: 0 })
    for (let t = 1; t <= schedule.steps; t++) {
      const { alpha, sigma } = schedule.coefficients(t)
      expect(alpha ** 2 + sigma ** 2).toBeCloseTo(1, 14)
      expect(alpha).toBeLessThan(schedule.alphas[t - 1]!)
      expect(alpha).toBeGreaterThan(0)
    }
  })

  it.each([-1, 1001, 0.5, NaN])('refuses t = %d', (t) => {
    expect(() => schedule.coefficients(t)).toThrow(`t must be an integer in 0..1000, received ${t}`)
  })
})
