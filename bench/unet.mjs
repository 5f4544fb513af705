// The U-Net's down and up blocks as a pair, forward and backward: their share of the machine's rate. FLOPs are those of the
// pair's convolutions, matrix products and attention, as a profile of one pass counts them.
//   npm run bench -- unet [--case latents,demo] [--compute f32,bf16] [--rounds 5] [--peer] [--json FILE]
// latents: 4 of 32 x 32 x 8, in patches of 2, 128 and 256 channels, two blocks a level. demo: a batch of the demo's 64
// images of 28 x 28, in patches of 4, 64 and 128 channels. --peer: the same modules in PyTorch, channels last, in turns.
import { compareOn } from './common/compare.mjs'
import { fixed, giga, mebibytes, milliseconds, text, times } from './common/format.mjs'
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

const columns = {
  case: text,
  side: text,
  'best ms': milliseconds,
  'GFLOP/s': giga,
  'of rate': fixed(2),
  'peak MiB': mebibytes,
  faster: times,
}

async function rowsOf(name, compute) {
  const subject = { ...cases[name], compute }
  const { sides, rate } = await compareOn('unet', subject, {
    peer: options.peer,
    request: { repeats: 10 },
    turns: { rounds: Number(options.rounds), warmUps: 1 },
  })
  const { flops } = sides.ours
  return Object.entries(sides).map(([side, { best, peakMemory }]) => ({
    case: name,
    side,
    'best ms': best,
    'GFLOP/s': flops / best,
    'of rate': flops / best / rate,
    'peak MiB': peakMemory,
    ...(side !== 'ours' && { faster: best / sides.ours.best }),
  }))
}

if (options.peer) installPeers()
const report = await openReport('unet', options)
for (const compute of options.compute.split(',')) {
  const rows = []
  for (const name of options.case.split(',')) rows.push(...(await rowsOf(name, compute)))
  report.table(`down and up blocks, forward and backward, ${compute}`, columns, rows)
}
await report.close()
