// Whether a plain PyTorch model, from the same weights, has our losses in three training steps: that bench/peers does what
// the benches compare it for. Ends with exit code 1 where it does not.
//   npm run bench -- losses [--size 5M] [--compute f32,bf16] [--json FILE]
import { fixed, text, whole } from './common/format.mjs'
import { installPeers } from './common/peers.mjs'
import { openReport, parseOptions } from './common/report.mjs'
import { casesOf, stepOptions, withSides } from './common/step_sides.mjs'

const options = parseOptions({ ...stepOptions, size: { type: 'string', default: '5M' } })
const steps = 3

/** Largest relative difference: f32 differs in the order of sums, bf16 (8 bits) in what is rounded where besides. */
const tolerance = { f32: 1e-5, bf16: 2 ** -8 }

const columns = {
  loss: text,
  step: whole,
  ours: fixed(6),
  PyTorch: fixed(6),
  difference: (value) => value.toExponential(1),
}

const lossesOf = (chosen) =>
  withSides({ ...chosen, warmUp: steps }, async (ours, startTheirs) => {
    const [a, b] = await Promise.all([ours, startTheirs(false)].map((side) => side.ask({ steps })))
    return a.losses.flatMap((losses, step) =>
      Object.entries(losses).map(([loss, value]) => {
        const theirs = b.losses[step][loss]
        return {
          loss,
          step: step + 1,
          ours: value,
          PyTorch: theirs,
          difference: Math.abs(value / theirs - 1),
        }
      }),
    )
  })

installPeers()
const report = await openReport('losses', options)
for (const { size, compute } of casesOf(options)) {
  const rows = await lossesOf({ size, compute })
  report.table(`losses, ${size} ${compute}`, columns, rows)
  if (rows.every(({ difference }) => difference <= tolerance[compute])) continue
  console.log(`a loss differs by more than ${tolerance[compute].toExponential(0)}`)
  process.exitCode = 1
}
await report.close()
