import { expect } from 'vitest'
import type { ParameterArena } from '../../lib/nn/arena.js'
import { cast } from '../../lib/ops/cast.js'
import { elementsOf } from '../../lib/tensor/shape.js'
import type { Optimizer } from '../../lib/training/optimizer_step.js'
import { randomArray } from '../host_array.js'

/** For all parameters, zeros between them. */
export function randomValues(arena: ParameterArena, seed: number): Float32Array {
  const random = randomArray([arena.elements], seed).data
  const values = new Float32Array(arena.elements)
  for (const parameter of arena.parameters) {
    const start = arena.startOf(parameter)
    values.set(random.subarray(start, start + elementsOf(parameter.shape)), start)
  }
  return values
}

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
  const rounded = () => hurt.rounded?.readFloats()
  const roundedBefore = await rounded()
  hurt.gradients.write(randomValues(hurt, 1).fill(NaN, 3, 4))
  using clip = hurtOptimizer.step(0.1)
  expect((await clip.readFloats())[2]).toBe(0)
  expect(await hurt.values.readFloats()).toEqual(before)
  expect(await rounded()).toEqual(roundedBefore)
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

/** Fails unless each step of an optimizer on a bf16 arena leaves its values, rounded, for ops. */
export async function checkRoundedValues(
  arena: ParameterArena,
  newOptimizer: (arena: ParameterArena) => Optimizer,
): Promise<void> {
  using optimizer = newOptimizer(arena)
  for (let t = 0; t < 2; t++) {
    arena.gradients.write(randomValues(arena, t))
    const before = await arena.rounded!.read()
    optimizer.step(0.5).free()
    const rounded = await arena.rounded!.read()
    expect(rounded).not.toEqual(before)
    using copy = cast(arena.values, 'bf16')
    expect(rounded).toEqual(await copy.read())
  }
}
