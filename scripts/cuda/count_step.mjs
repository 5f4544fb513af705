// Counts the kernel calls of one training step of a model, and prints them as JSON:
//   node scripts/cuda/count_step.mjs 0.16B
// In bf16, on four documents of 1024 positions, half of them patches of two images each. Where TRANSFUSION_SIMULATOR_COUNTERS
// names a file, launches of the simulated GPU are counted too; those of products are told from each other.
import { readFileSync } from 'node:fs'
import { paperVocabulary, presets, Trainer } from '../../dist/index.js'
import { startProfile } from '../../dist/entry/tensor.js'
import { makeModelOf } from '../../bench/common/models.mjs'
import { trainSteps } from '../../bench/common/train_steps.mjs'
import { readyDocuments, trainingSettings } from '../../bench/common/training_documents.mjs'
import { Failure } from '../run.mjs'

const batchTokens = 4096
const fields = ['calls', 'bytesRead', 'bytesWritten', 'flops']

/** The launches so far, in order. */
function launches() {
  const file = process.env['TRANSFUSION_SIMULATOR_COUNTERS']
  if (!file) return []
  return readFileSync(file, 'utf8').trim().split('\n').map(JSON.parse)
}

/** Of so many steps that a profile has seen: work by kernel, a step's, in the order of their names. */
function workOf(kernels, steps) {
  const work = {}
  for (const { name, ...kernel } of kernels) {
    // (upload) and what else is no kernel.
    if (name.startsWith('(')) continue
    work[name] ??= Object.fromEntries(fields.map((field) => [field, 0]))
    for (const field of fields) work[name][field] += kernel[field] / steps
  }
  return Object.fromEntries(Object.entries(work).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** Products by kernel and grid, a step's: each call of the profile is one launch of a kernel that multiplies. */
function productsOf(spans, made, steps) {
  const calls = [...spans].filter(({ kernel }) => kernel.name.startsWith('matmul'))
  const multiplied = made.filter(({ kernel }) => kernel.startsWith('matmul'))
  if (calls.length !== multiplied.length)
    throw new Failure(
      'a-program-failed',
      `${calls.length} products were called and ${multiplied.length} launched`,
    )
  const products = new Map()
  for (const [i, { kernel: call }] of calls.entries()) {
    const { kernel, blocks } = multiplied[i]
    const flops = call.flops / call.calls
    const key = `${call.name} ${kernel} ${blocks} ${flops}`
    const product = products.get(key) ?? { name: call.name, kernel, blocks, flops, calls: 0 }
    product.calls += 1 / steps
    products.set(key, product)
  }
  return [...products.values()]
}

const preset = presets[process.argv[2]]
if (!preset)
  throw new Failure('a-program-failed', `${process.argv[2]} is none of ${Object.keys(presets).join(', ')}`)
const model = makeModelOf({ ...preset, vocabulary: paperVocabulary.vocabulary }, 'bf16')
const trainer = new Trainer(model, readyDocuments(model), { ...trainingSettings, batchTokens })
await trainSteps(trainer, 2)
const before = launches().length
const profile = startProfile({ spans: 1e6 })
const { reports } = await trainSteps(trainer, 2)
const { kernels, spans } = await profile.stop()
const made = launches().slice(before)
const steps = reports.length
console.log(
  JSON.stringify({
    positions: reports[0].counts.positions,
    flops: reports[0].flops,
    headWidth: preset.channels / preset.heads,
    kernels: workOf(kernels, steps),
    ...(made.length > 0 && { launches: made.length / steps, products: productsOf(spans, made, steps) }),
  }),
)
