import { noGrad } from '../../lib/autograd/tape.js'
import { native } from '../../lib/native.js'
import { type ComputeType, ParameterArena } from '../../lib/nn/arena.js'
import { Linear } from '../../lib/nn/linear.js'
import { ParameterList } from '../../lib/nn/parameters.js'
import { add } from '../../lib/ops/add.js'
import { cast } from '../../lib/ops/cast.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { randomUniform } from '../../lib/random.js'
import { keep } from '../../lib/tensor/scope.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import type { TrainingSettings } from '../../lib/training/options.js'
import type { Companion, TaskLoss, TrainingTask } from '../../lib/training/task.js'
import { arenaCheckpoint } from './arena_checkpoint.js'

/** From which step on the companion is trained. */
export const start = 3
/** Examples of a step. */
export const batchSize = 8

export interface Examples {
  step: number
  inputs: readonly number[]
  /** By which the examples' loss is multiplied, and the companion's. */
  weight: number
  companionWeight: number
}

export interface ToyOptions {
  compute?: ComputeType
  /** By the step that goes wrong, and whose gradients do. */
  notFinite?: { step: number; companion: boolean }
  companion?: Partial<Companion>
  /** Rows of the companion's matrix. */
  rows?: number
  seed?: number
}

/**
 * A linear map learns y = 2 x, and from step `start` on its companion learns what the map gives. After each update the map's
 * bias is pulled to 0, and the state counts steps, by the examples that they had.
 */
export function toy({ compute = 'f32', notFinite, companion, rows = 1, seed = 7 }: ToyOptions = {}) {
  const layers = [1, rows].map((outputs) => {
    const list = new ParameterList()
    const layer = new Linear(list, 1, outputs, { bias: true, matrixRows: [outputs] })
    const arena = new ParameterArena(list.parameters, compute)
    return { layer, arena }
  }) as [{ layer: Linear; arena: ParameterArena }, { layer: Linear; arena: ParameterArena }]
  const [model, follower] = layers
  layers.forEach(({ arena }, i) => arena.initialize(seed + i))
  const seen = keep(zeros([1]))
  const squares = (x: Tensor, weight: number) =>
    mul(sum(mul(cast(x, 'f32'), cast(x, 'f32'))), fromArray(Float32Array.of(weight / batchSize)))
  const task: TrainingTask<Examples, { next: number }> = {
    arena: model.arena,
    companions: [{ name: 'follower', arena: follower.arena, learningRate: 2, ...companion }],
    state: new Map([['seen', seen]]),
    begin({ seed, gradientAccumulation }) {
      return {
        next(step) {
          const example = (i: number) => randomUniform(seed, 'order', step, i) - 0.3
          const inputs = Array.from({ length: batchSize }, (_, i) => example(i))
          const length = batchSize / gradientAccumulation
          const wrong = notFinite?.step === step
          return {
            microBatches: Array.from({ length: gradientAccumulation }, (_, i) => ({
              step,
              inputs: inputs.slice(i * length, (i + 1) * length),
              weight: wrong && !notFinite.companion ? Infinity : 1,
              companionWeight: wrong && notFinite.companion ? Infinity : 1,
            })),
            statistics: { counts: { examples: batchSize } },
            dataState: { next: step + 1 },
          }
        },
      }
    },
    loss({ step, inputs, weight, companionWeight }): TaskLoss {
      const x = fromArray(Float32Array.from(inputs), [inputs.length, 1], compute)
      const y = model.layer.forward(x)
      const loss = squares(add(y, scale(x, -2)), weight)
      const observed = { count: fromArray(Float32Array.of(inputs.length)) }
      if (step < start) return { total: loss, terms: { loss }, observed }
      const target = noGrad(() => scale(model.layer.forward(x), -1))
      const other = squares(add(follower.layer.forward(x), target), companionWeight)
      return { total: loss, companions: { follower: other }, terms: { loss, other }, observed }
    },
    afterUpdate({ taken, observed }) {
      for (const { count } of observed) native.accumulate(seen.handle, mul(count!, taken).handle)
      const bias = model.arena.valuesOf(model.layer.bias!)
      native.accumulate(bias.handle, mul(scale(bias, -0.1), taken).handle)
    },
    checkpoint: arenaCheckpoint(model.arena),
  }
  return {
    task,
    model,
    follower,
    seen,
    async values() {
      const tensors = [model.arena.values, follower.arena.values, seen]
      return (await Promise.all(tensors.map((tensor) => tensor.readFloats()))).map((values) => [...values])
    },
    [Symbol.dispose]() {
      for (const { arena } of layers) arena[Symbol.dispose]()
      seen.free()
    },
  }
}

/** How the toy is trained. */
export const settings = (more: Partial<TrainingSettings> = {}): TrainingSettings => ({
  seed: 4,
  steps: 10,
  optimizer: { weightDecay: 0 },
  learningRate: { peak: 0.02, warmupSteps: 2 },
  ...more,
})
