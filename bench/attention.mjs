// Attention forward and backward: its share of the machine's rate, and its memory over the length. One sequence, 12 heads of
// 64, in turn 256 tokens, BOI and EOI among them, and an image of 256 patches; the FLOPs are 12 H D for each pair of a query
// and a key that it sees.
//   npm run bench -- attention [--length 1024,4096,16384] [--compute f32,bf16] [--rounds 3] [--peer] [--json FILE]
// --peer: PyTorch's scaled_dot_product_attention with a dense mask in turns with it.
import { packSequences, trainingSequence } from '../dist/entry/nn.js'
import { compareOn } from './common/compare.mjs'
import { fixed, giga, mebibytes, milliseconds, text, times, whole } from './common/format.mjs'
import { image, patchesPerImage } from './common/models.mjs'
import { installPeers } from './common/peers.mjs'
import { openReport, parseOptions } from './common/report.mjs'

const options = parseOptions({
  length: { type: 'string', default: '1024,4096,16384' },
  compute: { type: 'string', default: 'f32,bf16' },
  rounds: { type: 'string', default: '3' },
  peer: { type: 'boolean', default: false },
})
const [heads, headSize] = [12, 64]

/** One past the last key that each of T positions sees, T a multiple of 512. */
function keyEnds(T) {
  const block = [
    { type: 'text', ids: new Int32Array(254) },
    { type: 'image', ...image },
  ]
  const parts = Array.from({ length: T / (2 * patchesPerImage) }, () => block).flat()
  const packing = { patch: image.patch, tokens: { end: 1, boi: 2, eoi: 3 } }
  return [...packSequences([trainingSequence({ parts, end: false }, packing)], packing).keyEnd]
}

const columns = {
  T: whole,
  side: text,
  'best ms': milliseconds,
  'GFLOP/s': giga,
  'of rate': fixed(2),
  'peak MiB': mebibytes,
  'tensors MiB': mebibytes,
  faster: times,
}

async function rowsOf(T, compute) {
  const keyEnd = keyEnds(T)
  const flops = 12 * heads * headSize * keyEnd.reduce((pairs, end) => pairs + end, 0)
  const subject = { heads, headSize, keyEnd, compute }
  // A round takes about as long for each length, the first of its repeats being a warm-up.
  const repeats = Math.max(1, Math.round((4096 / T) ** 2))
  const { sides, rate } = await compareOn('attention', subject, {
    peer: options.peer,
    request: { repeats },
    turns: { rounds: Number(options.rounds), warmUps: 0 },
  })
  return Object.entries(sides).map(([side, { best, peakMemory, tensors }]) => ({
    T,
    side,
    'best ms': best,
    'GFLOP/s': flops / best,
    'of rate': flops / best / rate,
    'peak MiB': peakMemory,
    'tensors MiB': tensors,
    ...(side !== 'ours' && { faster: best / sides.ours.best }),
  }))
}

if (options.peer) installPeers()
const report = await openReport('attention', options)
for (const compute of options.compute.split(',')) {
  const rows = []
  for (const length of options.length.split(',')) rows.push(...(await rowsOf(Number(length), compute)))
  report.table(`attention, forward and backward, ${compute}`, columns, rows)
}
await report.close()
