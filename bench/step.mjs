// A training step through the Trainer: its share of the machine's rate, tokens/s, peak memory. Two documents of 1024
// positions, half of them image patches, AdamW.
//   npm run bench -- step [--size 0.16B,50M,5M] [--compute f32,bf16] [--rounds 3] [--peer] [--json FILE]
// --peer: PyTorch in turns with it, eager and compiled.
import { compareSides } from './common/compare.mjs'
import { fixed, giga, mebibytes, milliseconds, text, times, whole } from './common/format.mjs'
import { installPeers } from './common/peers.mjs'
import { openReport, parseOptions } from './common/report.mjs'
import { casesOf, stepOptions, stepsOf, withSides } from './common/step_sides.mjs'

const options = parseOptions({
  ...stepOptions,
  rounds: { type: 'string', default: '3' },
  peer: { type: 'boolean', default: false },
})

const columns = {
  side: text,
  'best ms': milliseconds,
  'median ms': milliseconds,
  'tokens/s': whole,
  'GFLOP/s': giga,
  'of rate': fixed(2),
  'peak MiB': mebibytes,
  faster: times,
  memory: times,
}

/** A row for our step and one for PyTorch's, if any; `faster` and `memory`: ours against it. */
const rowsOf = (chosen, theirs) =>
  withSides(chosen, async (ours, startTheirs) => {
    const sides = { ours, ...(theirs && { [`PyTorch ${theirs}`]: startTheirs(theirs === 'compiled') }) }
    const request = { steps: stepsOf[chosen.size] }
    const { sides: measured, rate } = await compareSides(sides, request, { rounds: Number(options.rounds) })
    const { flops, positions, peakMemory: memory } = measured.ours
    return Object.entries(measured).map(([side, { best, median, peakMemory }]) => ({
      side,
      'best ms': best,
      'median ms': median,
      'tokens/s': positions / best,
      'GFLOP/s': flops / best,
      'of rate': flops / best / rate,
      'peak MiB': peakMemory,
      ...(side !== 'ours' && { faster: best / measured.ours.best, memory: memory / peakMemory }),
    }))
  })

if (options.peer) installPeers()
const report = await openReport('step', options)
for (const chosen of casesOf(options))
  for (const theirs of options.peer ? ['eager', 'compiled'] : [undefined])
    report.table(`a step, ${chosen.size} ${chosen.compute}`, columns, await rowsOf(chosen, theirs))
await report.close()
