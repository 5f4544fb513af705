import { expect } from 'vitest'
import type { ParameterArena } from '../../lib/nn/arena.js'
import type { Optimizer } from '../../lib/training/optimizer_step.js'
import { randomArray } from '../host_array.js'

export const randomValues = (arena: ParameterArena, seed: number): Float32Array =>
  Float32Array.from(randomArray([arena.elements], seed).data)

/** Fails unless a step whose gradient is not finite leaves an optimizer and its arena as they were. */
export async function checkSkippedStep(
  newArena: () => ParameterArena,
  newOptimizer: (arena: ParameterArena) => Optimizer,
): Promise<void> {
  using clean = newArena()
  using hurt = newArena()
  using cleanOptimizer = newOptimizer(clean)
  using hurtOptimizer = newOptimizer(hurt)
  const before = await hurt.values.readFloats()
  hurt.gradients.write(randomValues(hurt, 1).fill(NaN, 3, 4))
  using clip = hurtOptimizer.step(0.1)
  expect((await clip.readFloats())[2]).toBe(0)
  expect(await hurt.values.readFloats()).toEqual(before)
  // Nor was the state touched: the next step is as if this one had not been.
  for (const [arena, optimizer] of [
    [clean, cleanOptimizer],
    [hurt, hurtOptimizer],
  ] as const) {
    arena.gradients.write(randomValues(arena, 2))
    optimizer.step(0.1).free()
  }
  expect(await hurt.values.readFloats()).toEqual(await clean.values.readFloats())
}
