// The kernel calls of one training step, as data for the report's prediction: cuda/step_work.json.
//   node scripts/cuda/step_work.mjs [--sizes 0.16B,0.76B,7B] [--output FILE]
// The whole step of the whole model, as count_step.mjs counts it on a simulated GPU that runs no kernel, in seconds and
// without memory for the model. Launches depend on how many multiprocessors there are.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Failure, capture, main, root } from '../run.mjs'
import { gpus } from './prediction.mjs'

const driver = join(root, 'build/cuda/libsimulated_cuda.so')

/** The environment of a process that counts on a simulated GPU, and writes launches to `counters`. */
const countingOnly = (counters, multiprocessors) => ({
  TRANSFUSION_DEVICE: 'cuda',
  TRANSFUSION_CUDA_DRIVER: driver,
  TRANSFUSION_SIMULATOR_RUN: '0',
  TRANSFUSION_SIMULATOR_COUNTERS: counters,
  // More than any of the models takes; of addresses, not of this machine's memory.
  TRANSFUSION_SIMULATOR_MEMORY: String(250 * 2 ** 30),
  TRANSFUSION_SIMULATOR_MULTIPROCESSORS: String(multiprocessors),
})

function countStep(size, multiprocessors) {
  const folder = mkdtempSync(join(tmpdir(), 'step-work-'))
  try {
    const env = { ...process.env, ...countingOnly(join(folder, 'launches'), multiprocessors) }
    const script = join(root, 'scripts/cuda/count_step.mjs')
    return JSON.parse(capture(process.execPath, [script, size], { env }))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

main(() => {
  const { sizes, output } = parseArgs({
    options: {
      sizes: { type: 'string', default: '0.16B,0.76B,7B' },
      output: { type: 'string', default: join(root, 'cuda/step_work.json') },
    },
  }).values
  if (!existsSync(driver))
    throw new Failure(
      'no-simulator',
      'there is no build/cuda/libsimulated_cuda.so: `npm run test:cuda` builds it',
    )
  const numbers = [...new Set(Object.values(gpus).map(({ multiprocessors }) => multiprocessors))]
  const steps = {}
  for (const size of sizes.split(',')) {
    const counted = numbers.map((number) => countStep(size, number))
    const { launches: _, products: __, ...same } = counted[0]
    const on = counted.map(({ launches, products }, i) => [numbers[i], { launches, products }])
    steps[size] = { ...same, on: Object.fromEntries(on) }
    console.log(size, `${(same.flops / 1e12).toFixed(2)} TFLOP`, same.positions, 'positions')
  }
  writeFileSync(output, `${JSON.stringify(steps, null, 2)}\n`)
})
