// Slices of build/cuda/check_gpu, which needs no Node: cases of all kernels, and times of some; beside products and attention
// PyTorch's, by bench/peers/kernels.py.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPyTorch } from './tools.mjs'
import { describeEnd, runWatched } from './watched.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const program = join(root, 'build/cuda/check_gpu')
const peer = join(root, 'bench/peers/kernels.py')

/** Arguments of check_gpu for a GPU, or for the simulated one, which bears small sizes alone. */
export const checkArguments = ({ driver, tiny, large }) => [
  ...(driver ? ['--driver', driver] : []),
  '--sizes',
  tiny ? 'small' : large ? 'huge' : 'real',
]

/** Runs a set of check_gpu; what it writes is PATH. The program ends in time by itself. */
async function runSet(context, set, path, seconds, options = []) {
  const limit = String(Math.floor(seconds))
  const args = ['--set', set, '--seconds', limit, '--output', path, ...checkArguments(context), ...options]
  const ended = await runWatched(program, args, { seconds: seconds + 30 })
  // The file says what.
  return ended.code === 1 ? 'something does not hold, or was not run' : describeEnd(ended)
}

/** A kernel's cases, from machine code and then from PTX. */
export const checkKernels = (context) =>
  runSet(context, 'kernels', join(context.folder, 'kernels.json'), context.seconds)

/** Times of a set that has no peer. */
const timeAlone = (set) => (context) =>
  runSet(context, set, join(context.folder, `${set}.json`), context.seconds, ['--images', 'machine code'])

export const timeMemory = timeAlone('memory')
/** All ways of each product, as the tuner measures them. */
export const timeWays = timeAlone('tune')

/** Ours for half of the time at most, then PyTorch's of the same cases. */
async function timeBeside(context, set) {
  const ours = join(context.folder, `${set}.json`)
  const started = performance.now()
  const problem = await runSet(context, set, ours, context.seconds / 2, ['--images', 'machine code'])
  const torch = findPyTorch({ python: context.python, cpu: context.tiny })
  if (torch.reason) {
    console.log(`  PyTorch: skipped, ${torch.reason}`)
    return problem
  }
  const left = context.seconds - (performance.now() - started) / 1000
  const theirs = join(context.folder, `${set}.pytorch.json`)
  const options = ['--cases', ours, '--output', theirs, '--seconds', String(Math.floor(left - 20))]
  const device = context.tiny ? ['--device', 'cpu'] : []
  const ended = await runWatched(torch.python, [peer, ...options, ...device], { seconds: left })
  return [problem, describeEnd(ended) && `PyTorch ${describeEnd(ended)}`].filter(Boolean).join('; ')
}

export const timeProducts = (context) => timeBeside(context, 'products')
export const timeAttention = (context) => timeBeside(context, 'attention')

export const readJson = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
