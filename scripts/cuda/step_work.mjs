// The kernel calls of one training step, as data for the report's prediction: cuda/step_work.json.
//   node scripts/cuda/step_work.mjs [--sizes 0.16B,0.76B,7B]
// They are counted on the CPU, in bf16, on four documents of 1024 positions, half of them patches of two images each, with
// models of one and of two layers; a further layer does again what the second did.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { paperVocabulary, presets, Trainer } from '../../dist/index.js'
import { startProfile } from '../../dist/entry/tensor.js'
import { trainSteps } from '../../bench/common/train_steps.mjs'
import { makeModelOf } from '../../bench/common/models.mjs'
import { readyDocuments, trainingSettings } from '../../bench/common/training_documents.mjs'
import { root } from '../run.mjs'

const batchTokens = 4096
const fields = ['calls', 'bytesRead', 'bytesWritten', 'flops']

/** Work of each kernel in a step of a model of so many layers. */
async function measure(preset, layers) {
  const { vocabulary } = paperVocabulary
  const model = makeModelOf({ ...presets[preset], layers, vocabulary }, 'bf16')
  const trainer = new Trainer(model, readyDocuments(model), { ...trainingSettings, batchTokens })
  await trainSteps(trainer, 2)
  const profile = startProfile()
  const { reports } = await trainSteps(trainer, 2)
  const { kernels } = await profile.stop()
  const work = {}
  for (const { name, ...kernel } of kernels) {
    if (name.startsWith('(')) continue
    work[name] ??= { calls: 0, bytesRead: 0, bytesWritten: 0, flops: 0 }
    for (const field of fields) work[name][field] += kernel[field] / reports.length
  }
  trainer[Symbol.dispose]()
  model[Symbol.dispose]()
  return { work, flops: reports[0].flops, positions: reports[0].counts.positions }
}

function extrapolate(one, two, layers) {
  const along = (a, b) => Math.round(a + (layers - 1) * (b - a))
  const kernels = Object.fromEntries(
    Object.entries(two.work).map(([name, work]) => [
      name,
      Object.fromEntries(fields.map((field) => [field, along(one.work[name]?.[field] ?? 0, work[field])])),
    ]),
  )
  return { positions: two.positions, flops: along(one.flops, two.flops), kernels }
}

const { sizes } = parseArgs({ options: { sizes: { type: 'string', default: '0.16B,0.76B,7B' } } }).values
const steps = {}
for (const size of sizes.split(',')) {
  const [one, two] = [await measure(size, 1), await measure(size, 2)]
  steps[size] = extrapolate(one, two, presets[size].layers)
  console.log(size, `${(steps[size].flops / 1e12).toFixed(2)} TFLOP`, steps[size].positions, 'positions')
}
writeFileSync(join(root, 'cuda/step_work.json'), `${JSON.stringify(steps, null, 2)}\n`)
