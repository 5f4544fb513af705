// AdamW against Muon on the demo's set-up, at equal cost: first the time of a step of each, in turns in one process, then
// a training of each, the dearer one for fewer steps, and their losses on test images that are the same for all.
//   npm run bench -- optimizers [steps of AdamW = 4000] [seed = 0] [AdamW's rate = 0.006] [Muon's rate = 0.01]
// Time is the processor's, of all threads: the wall's depends on what else the machine does.
import { noGrad } from '../dist/autograd/tape.js'
import { openClasses } from '../dist/evaluation/tasks/class_data_config.js'
import { fashionMnistCaption } from '../dist/experiments/demo/demo_fashion_mnist.js'
import { scope } from '../dist/entry/tensor.js'
import { transfusionLoss } from '../dist/entry/nn.js'
import { BatchMaker } from '../dist/models/transfusion/training/batches.js'
import { openTrainingData } from '../dist/models/transfusion/training/data.js'
import { demoCompute, newDemoRun, openDemo } from './common/demo.mjs'
import { describeLimits, measureLimits } from './common/limits.mjs'

const [steps = 4000, seed = 0, adamwRate = 0.006, muonRate = 0.01] = process.argv.slice(2).map(Number)
const rates = { adamw: adamwRate, muon: muonRate }

const task = await openDemo(seed)
const { test } = await openClasses({ type: 'fashion-mnist' }, fashionMnistCaption)

const newRun = (type, steps) =>
  newDemoRun(task, steps, {
    optimizer: { type },
    learningRate: { ...task.training.learningRate, peak: rates[type] },
  })

const processorSeconds = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function stepSeconds() {
  const runs = { adamw: newRun('adamw', 100_000), muon: newRun('muon', 100_000) }
  const times = { adamw: [], muon: [] }
  for (let round = 0; round < 8; round++)
    for (const [type, { trainer }] of Object.entries(runs)) {
      const first = trainer.done.steps
      const stop = new AbortController()
      const started = processorSeconds()
      await trainer.run({ signal: stop.signal, onStep: ({ step }) => step === first + 50 && stop.abort() })
      // The first rounds make what is kept.
      if (round > 1) times[type].push((processorSeconds() - started) / (trainer.done.steps - first))
    }
  const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
  return { adamw: median(times.adamw), muon: median(times.muon) }
}

async function heldOutLosses({ model, options }, batches = 40) {
  const stream = await openTrainingData(test, model, { seed: 123 })
  const maker = new BatchMaker(stream, model, { ...options, seed: 123, conditionDropout: 0 })
  const sums = { lm: 0, diffusion: 0 }
  for (let i = 0; i < batches; i++) {
    const { microBatches, denominators } = await maker.make(i)
    const losses = noGrad(() =>
      scope(() => {
        const { lm, diffusion } = transfusionLoss(model.network, microBatches[0], options, denominators)
        return { lm, diffusion }
      }),
    )
    for (const name of ['lm', 'diffusion']) sums[name] += (await losses[name].readFloats())[0] / batches
  }
  await stream.close()
  return sums
}

console.log(describeLimits(await measureLimits()))
const cost = await stepSeconds()
console.log(
  `processor ms a step (${demoCompute}): AdamW ${(1e3 * cost.adamw).toFixed(1)}, Muon ${(1e3 * cost.muon).toFixed(1)}`,
)
for (const type of ['adamw', 'muon']) {
  const run = newRun(type, Math.round((steps * cost.adamw) / cost[type]))
  await run.trainer.run()
  const { lm, diffusion } = await heldOutLosses(run)
  const total = lm + run.options.imageWeight * diffusion
  console.log(
    `${type}: ${run.trainer.done.steps} steps, rate ${rates[type]}: held-out text loss ${lm.toFixed(4)}, ` +
      `image loss ${diffusion.toFixed(4)}, total ${total.toFixed(4)}`,
  )
}
