// `npm run check:gpu [-- --slice kernels,step --minutes 8]`: builds the CUDA backend with machine code for the GPUs of this machine
// and asks of the first of them whether everything is right, and how fast it is. Each slice ends within its minutes and writes
// what it finds at once into bench/gpu/GPU-DATE/; summary.md there says it all, beside predictions and PyTorch.
//   --slice NAMES    of bench/gpu/slices.mjs, `all`, or `none`: the summary alone, of files that are there
//   --minutes N      of each slice
//   --python FILE    one that has torch, else PYTHON, else python3
//   --large          tensors beyond 2^31 bytes, too: 30 GB of the GPU's memory
//   --output FOLDER  instead of the one above; a second run adds to what is there
//   --no-build       uses build/ and dist/ as they are
//   --driver build/cuda/libsimulated_cuda.so    needs no GPU: everything in tiny sizes
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { architecturesHere, buildCuda } from './build.mjs'
import { buildNative, buildTypeScript } from '../build.mjs'
import { Failure, isInstalled, main, root, stage } from '../run.mjs'
import { setUp } from '../setup.mjs'

const { values } = parseArgs({
  options: {
    slice: { type: 'string', default: 'all' },
    minutes: { type: 'string', default: '8' },
    python: { type: 'string' },
    large: { type: 'boolean', default: false },
    output: { type: 'string' },
    build: { type: 'boolean', default: true },
    driver: { type: 'string' },
  },
  allowNegative: true,
})

/** What nvidia-smi says of the first GPU; undefined where it does not. */
function queryGpu(fields) {
  const query = [`--query-gpu=${fields}`, '--format=csv,noheader']
  const { status, stdout } = spawnSync('nvidia-smi', query, { encoding: 'utf8', timeout: 20_000 })
  return status === 0 ? stdout.trim().split('\n')[0] : undefined
}

/** Whether it is hot, throttled or another's: right after a slice. */
const gpuState = () => queryGpu('clocks.sm,clocks.mem,temperature.gpu,power.draw,memory.used')

function chosenSlices(slices) {
  if (values.slice === 'none') return []
  const names = values.slice === 'all' ? Object.keys(slices) : values.slice.split(',')
  const unknown = names.find((name) => !(name in slices))
  if (unknown !== undefined)
    throw new Failure(
      'a-program-failed',
      `--slice ${unknown}: there are ${Object.keys(slices).join(', ')}, all and none`,
    )
  return names
}

/** What slices of Node need besides; the kernels' own need a compiler and CMake alone. */
function buildPackage() {
  setUp('build')
  stage('Native build', buildNative)
  stage('TypeScript build', buildTypeScript)
}

const readEnds = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return {}
  }
}

main(async () => {
  const { slices } = await import('../../bench/gpu/slices.mjs')
  const { findTool } = await import('../../bench/gpu/tools.mjs')
  const { summarizeFolder } = await import('../../bench/gpu/summary.mjs')
  const names = chosenSlices(slices)
  const seconds = Number(values.minutes) * 60
  if (!(seconds > 0)) throw new Failure('a-program-failed', `--minutes ${values.minutes} is no time`)
  // Of the slices one asks the simulator, in a checkout, where its tool is there.
  const simulator = !isInstalled && names.includes('counters') && findTool('ncu') !== undefined
  if (values.build && names.length > 0)
    stage('CUDA build', () => buildCuda({ architectures: architecturesHere(), simulator }))
  let packageIsBuilt = !values.build
  const device = values.driver ? 'simulated GPU' : (queryGpu('name') ?? 'unknown GPU')
  const date = new Date().toISOString().slice(0, 10)
  const folder = resolve(
    values.output ?? join(root, 'bench/gpu', `${device.replaceAll(/[^\w.]+/g, '-')}-${date}`),
  )
  mkdirSync(folder, { recursive: true })
  const endsPath = join(folder, 'slices.json')
  const ends = readEnds(endsPath)
  const summarize = () =>
    writeFileSync(join(folder, 'summary.md'), summarizeFolder(folder, { device, slices: ends }))
  const { python, large } = values
  const driver = values.driver && resolve(values.driver)
  for (const name of names) {
    const started = performance.now()
    const context = { folder, seconds, tiny: driver !== undefined, driver, python, large }
    console.log(`\n== ${name}: ${slices[name].title}`)
    ends[name] = { ended: 'was begun', seconds: 0 }
    writeFileSync(endsPath, `${JSON.stringify(ends, undefined, 2)}\n`)
    let ended
    try {
      if (slices[name].needsPackage && !packageIsBuilt) {
        buildPackage()
        packageIsBuilt = true
      }
      // Of the minutes, none are for the build.
      context.deadline = performance.now() + seconds * 1000
      ended = (await slices[name].run(context)) || 'as it should'
    } catch (error) {
      ended = error.message
    }
    const gpu = values.driver ? undefined : gpuState()
    ends[name] = { ended, seconds: (performance.now() - started) / 1000, gpu }
    console.log(`   ${name}: ${ended}, ${ends[name].seconds.toFixed(1)} s`)
    writeFileSync(endsPath, `${JSON.stringify(ends, undefined, 2)}\n`)
    summarize()
  }
  if (names.length === 0) summarize()
  console.log(`\n${readFileSync(join(folder, 'summary.md'), 'utf8')}\n${join(folder, 'summary.md')}`)
  // At once: a child that even its kill has not ended would be waited for.
  process.exit(names.every((name) => ends[name].ended === 'as it should') ? 0 : 1)
})
