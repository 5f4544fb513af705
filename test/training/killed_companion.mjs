// Trains a line and a companion that follows it, with a checkpoint after every step: killed.test.ts kills it again and again.
// Arguments: the folder of checkpoints, steps in all.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { Linear, ParameterArena, ParameterList, TaskTrainer } from '../../dist/entry/nn.js'
import { add, fromArray, mean, mul, noGrad, scale } from '../../dist/entry/tensor.js'
import { runWithCheckpoints } from './killed_run.mjs'

const [path, steps] = process.argv.slice(2)

function newLayer(seed) {
  const list = new ParameterList()
  const layer = new Linear(list, 8, 8, { bias: true, matrixRows: [8] })
  const arena = new ParameterArena(list.parameters)
  arena.initialize(seed)
  return { layer, arena }
}
const [model, follower] = [newLayer(1), newLayer(2)]
const squaredError = (a, b) => {
  const error = add(a, scale(b, -1))
  return mean(mul(error, error))
}
const task = {
  arena: model.arena,
  companions: [{ name: 'follower', arena: follower.arena, optimizer: { type: 'muon' }, learningRate: 3 }],
  begin: () => ({
    next: (step) => ({
      microBatches: [Float32Array.from({ length: 32 }, (_, i) => Math.sin(step * 32 + i))],
      statistics: { counts: { examples: 4 } },
      dataState: { next: step + 1 },
    }),
  }),
  loss(values) {
    const x = fromArray(values, [4, 8])
    const loss = squaredError(model.layer.forward(x), scale(x, 2))
    const followed = noGrad(() => model.layer.forward(x))
    return {
      total: loss,
      companions: { follower: squaredError(follower.layer.forward(x), followed) },
      terms: { loss },
    }
  },
  checkpoint: {
    dataState: z.strictObject({ next: z.int() }),
    async save(folder, weights) {
      await mkdir(folder, { recursive: true })
      const values = await (weights ?? model.arena.values).readFloats()
      await writeFile(join(folder, 'weights.json'), JSON.stringify([...values]))
      return {}
    },
    async load(folder) {
      const values = JSON.parse(await readFile(join(folder, 'weights.json'), 'utf8'))
      return async () => {
        model.arena.values.write(Float32Array.from(values))
        model.arena.updated()
      }
    },
  },
}
const trainer = new TaskTrainer(task, {
  steps: Number(steps),
  ema: 0.9,
  learningRate: { peak: 3e-3, warmupSteps: 3 },
})
await runWithCheckpoints(trainer, path, [model.arena, follower.arena])
