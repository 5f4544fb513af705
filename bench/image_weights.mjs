// A training step with weights of their own for image positions (image.weights), in turns with one whose weights are shared:
// the same documents, the same FLOPs. bench/step.mjs has the batch.
//   npm run bench -- image_weights [--size 50M,5M] [--compute f32,bf16] [--rounds 5] [--json FILE]
// of shared: the shared step's best time over this one's.
import { compareSides, withEnded } from './common/compare.mjs'
import { fixed, giga, mebibytes, milliseconds, text, whole } from './common/format.mjs'
import { image, sizes } from './common/models.mjs'
import { openReport, parseOptions } from './common/report.mjs'
import { casesOf, stepsOf } from './common/step_sides.mjs'
import { startOurs } from './common/subject.mjs'

const options = parseOptions({
  size: { type: 'string', default: '50M,5M' },
  compute: { type: 'string', default: 'f32,bf16' },
  rounds: { type: 'string', default: '5' },
})

const columns = {
  weights: text,
  'best ms': milliseconds,
  'median ms': milliseconds,
  'tokens/s': whole,
  'GFLOP/s': giga,
  'peak MiB': mebibytes,
  'of shared': fixed(3),
}

function start({ size, compute }) {
  const startWith = (weights) =>
    startOurs('step', { size: { ...sizes[size], image: { ...image, weights } }, compute })
  const names = ['shared', 'feed-forward', 'all']
  return Object.fromEntries(names.map((weights) => [weights, startWith(weights)]))
}

const rowsOf = (chosen) =>
  withEnded(start(chosen), async (started) => {
    const request = { steps: stepsOf[chosen.size] }
    const { sides } = await compareSides(started, request, { rounds: Number(options.rounds) })
    return Object.entries(sides).map(([weights, { best, median, flops, positions, peakMemory }]) => ({
      weights,
      'best ms': best,
      'median ms': median,
      'tokens/s': positions / best,
      'GFLOP/s': flops / best,
      'peak MiB': peakMemory,
      'of shared': sides.shared.best / best,
    }))
  })

const report = await openReport('image_weights', options)
for (const chosen of casesOf(options))
  report.table(`a step, ${chosen.size} ${chosen.compute}`, columns, await rowsOf(chosen))
await report.close()
