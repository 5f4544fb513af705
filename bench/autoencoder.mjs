// Autoencoders of images of 256 x 256: encoding, decoding and steps of training (L1 and KL, AdamW), with the share of the
// machine's rate and of each level's convolutions.
//   npm run bench -- autoencoder [--case sd,86M] [--work encode,decode,train] [--batch 1,8] [--compute f32,bf16] [--side 256]
//     [--tiled] [--repeats 2] [--rounds 3] [--peer] [--json FILE]
// sd: the layout of Stable Diffusion's AutoencoderKL. 86M: the preset of the paper's size. --peer: diffusers on PyTorch, eager
// and compiled, channels last, in turns. --tiled: in tiles of 512 that share a quarter of it, diffusers' too (AutoencoderKL.enable_tiling).
import { autoencoderPresets } from '../dist/models/autoencoder/presets.js'
import { compareSides, withEnded } from './common/compare.mjs'
import { fixed, giga, mebibytes, milliseconds, text, times, whole } from './common/format.mjs'
import { installPeers, startPeer } from './common/peers.mjs'
import { openReport, parseOptions } from './common/report.mjs'
import { startOurs } from './common/subject.mjs'

const options = parseOptions({
  case: { type: 'string', default: 'sd,86M' },
  work: { type: 'string', default: 'encode,decode,train' },
  batch: { type: 'string', default: '1,8' },
  compute: { type: 'string', default: 'f32,bf16' },
  side: { type: 'string', default: '256' },
  tiled: { type: 'boolean', default: false },
  repeats: { type: 'string', default: '2' },
  rounds: { type: 'string', default: '3' },
  peer: { type: 'boolean', default: false },
})

const { image: _, ...paper } = autoencoderPresets['256px']
const cases = {
  sd: { channels: [128, 256, 512, 512], blocks: 2, latentChannels: 4, groups: 32 },
  '86M': paper,
}

const repeats = Number(options.repeats)
const columns = {
  case: text,
  work: text,
  batch: whole,
  side: text,
  'best ms': milliseconds,
  'GFLOP/s': giga,
  'of rate': fixed(2),
  'peak MiB': mebibytes,
  faster: times,
}
/** Of one pass. */
const kernelColumns = { kernel: text, calls: whole, ms: fixed(1), 'of time': fixed(3), 'of rate': fixed(2) }

function kernelRows(kernels, rate) {
  const total = kernels.reduce((sum, { time }) => sum + time, 0)
  return kernels
    .filter(({ time }) => time > total / 100)
    .map(({ name, calls, time, flops }) => ({
      kernel: name,
      calls: calls / repeats,
      ms: time / repeats,
      'of time': time / total,
      ...(flops > 0 && { 'of rate': (1000 * flops) / time / rate }),
    }))
}

/** The rows of one piece of work, and of its kernels. */
async function measure(name, subject) {
  const sides = {
    ours: startOurs('autoencoder', subject),
    ...(options.peer && {
      'diffusers, eager': startPeer('autoencoder', { ...subject, compiled: false }),
      'diffusers, compiled': startPeer('autoencoder', { ...subject, compiled: true }),
    }),
  }
  const turns = { rounds: Number(options.rounds), warmUps: tiled ? 0 : 1 }
  const compared = await withEnded(sides, () => compareSides(sides, { repeats }, turns))
  const { ours } = compared.sides
  const rows = Object.entries(compared.sides).map(([side, { best, peakMemory }]) => ({
    case: name,
    work: subject.work,
    batch: subject.batch,
    side,
    'best ms': best,
    'GFLOP/s': ours.flops / best,
    'of rate': ours.flops / best / compared.rate,
    'peak MiB': peakMemory,
    ...(side !== 'ours' && { faster: best / ours.best }),
  }))
  return { rows, kernels: kernelRows(ours.kernels, compared.rate) }
}

if (options.peer) installPeers()
const report = await openReport('autoencoder', options)
const side = Number(options.side)
const { tiled } = options
if (tiled && options.work.split(',').includes('train')) {
  console.error('autoencoder: --tiled is of encoding and decoding: add --work encode,decode')
  process.exit(1)
}
for (const compute of options.compute.split(','))
  for (const name of options.case.split(','))
    for (const work of options.work.split(',')) {
      const results = new Map()
      for (const batch of options.batch.split(',').map(Number))
        results.set(batch, await measure(name, { model: cases[name], side, batch, work, compute, tiled }))
      const title = `${name}, ${work}, ${compute}`
      report.table(
        title,
        columns,
        [...results.values()].flatMap(({ rows }) => rows),
      )
      for (const [batch, { kernels }] of results)
        report.table(`kernels, ${title}, batch ${batch}`, kernelColumns, kernels)
    }
await report.close()
