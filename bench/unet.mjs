// The U-Net's down and up blocks as a pair, forward and backward: their share of the machine's rate, and each kernel's of the
// rate or of the read bandwidth. FLOPs are those of the pair's convolutions, matrix products and attention, as a profile
// counts them.
//   npm run bench -- unet [--case latents,demo] [--compute f32,bf16] [--rounds 5] [--peer] [--json FILE]
// latents: 4 of 32 x 32 x 8, in patches of 2, 128 and 256 channels, two blocks a level. demo: a batch of the demo's 64
// images of 28 x 28, in patches of 4, 64 and 128 channels. --peer: the same modules in PyTorch, channels last, in turns.
import { compareOn } from './common/compare.mjs'
import { fixed, giga, mebibytes, milliseconds, text, times, whole } from './common/format.mjs'
import { installPeers } from './common/peers.mjs'
import { openReport, parseOptions } from './common/report.mjs'

const options = parseOptions({
  case: { type: 'string', default: 'latents,demo' },
  compute: { type: 'string', default: 'f32,bf16' },
  rounds: { type: 'string', default: '5' },
  peer: { type: 'boolean', default: false },
})

// The demo's images come as 14 x 14 blocks of 2 x 2 pixels.
const cases = {
  latents: { count: 4, side: 32, inputs: 8, channels: [128, 256], blocks: 2, heads: 4 },
  demo: { count: 64, side: 14, inputs: 4, channels: [64, 128], blocks: 1, heads: 4 },
}

const repeats = 10
const columns = {
  case: text,
  side: text,
  'best ms': milliseconds,
  'GFLOP/s': giga,
  'of rate': fixed(2),
  'peak MiB': mebibytes,
  faster: times,
}
/** Of one pass. */
const kernelColumns = {
  kernel: text,
  calls: whole,
  ms: fixed(2),
  'of time': fixed(3),
  'of rate': fixed(2),
  'GB/s': fixed(1),
  'of bandwidth': fixed(2),
}

const kernelRows = (kernels, rate) => {
  const total = kernels.reduce((sum, { time }) => sum + time, 0)
  return kernels
    .filter(({ bytesRead }) => bytesRead > 0)
    .map(({ name, calls, time, bytesRead, bytesWritten, flops }) => {
      const bytesPerSecond = (1000 * (bytesRead + bytesWritten)) / time
      return {
        kernel: name,
        calls: calls / repeats,
        ms: time / repeats,
        'of time': time / total,
        ...(flops > 0
          ? { 'of rate': (1000 * flops) / time / rate }
          : { 'GB/s': bytesPerSecond / 1e9, 'of bandwidth': bytesPerSecond / report.limits.readBandwidth }),
      }
    })
}

/** The rows of the pair, and of its kernels. */
async function measure(name, compute) {
  const subject = { ...cases[name], compute }
  const { sides, rate } = await compareOn('unet', subject, {
    peer: options.peer,
    request: { repeats },
    turns: { rounds: Number(options.rounds), warmUps: 1 },
  })
  const { flops, kernels } = sides.ours
  const pair = Object.entries(sides).map(([side, { best, peakMemory }]) => ({
    case: name,
    side,
    'best ms': best,
    'GFLOP/s': flops / best,
    'of rate': flops / best / rate,
    'peak MiB': peakMemory,
    ...(side !== 'ours' && { faster: best / sides.ours.best }),
  }))
  return { pair, kernels: kernelRows(kernels, rate) }
}

if (options.peer) installPeers()
const report = await openReport('unet', options)
for (const compute of options.compute.split(',')) {
  const results = new Map()
  for (const name of options.case.split(',')) results.set(name, await measure(name, compute))
  report.table(
    `down and up blocks, forward and backward, ${compute}`,
    columns,
    [...results.values()].flatMap(({ pair }) => pair),
  )
  for (const [name, { kernels }] of results)
    report.table(`kernels, ${name} ${compute}`, kernelColumns, kernels)
}
await report.close()
