// Sampling: images of 256 patches after 128 tokens, in 25 steps with guidance, and text with cached keys and values, one
// alone and several together. Of text, each token reads all weights: their bytes/s against the machine's.
//   npm run bench -- sample [--size 0.16B] [--compute f32,bf16] [--images 1,4,16] [--texts 1,4,16] [--rounds 2] [--peer]
//     [--json FILE]
// --peer: PyTorch in turns with it, eager and compiled.
import { cosineSchedule, ddim } from '../dist/index.js'
import { compareSides, withEnded } from './common/compare.mjs'
import { fixed, giga, mebibytes, text, times, whole } from './common/format.mjs'
import { installPeers, startPeer } from './common/peers.mjs'
import { numbersOf, openReport, parseOptions } from './common/report.mjs'
import { startOurs } from './common/subject.mjs'

const options = parseOptions({
  size: { type: 'string', default: '0.16B' },
  compute: { type: 'string', default: 'f32,bf16' },
  images: { type: 'string', default: '1,4,16' },
  texts: { type: 'string', default: '1,4,16' },
  rounds: { type: 'string', default: '2' },
  peer: { type: 'boolean', default: false },
})
const { size } = options
const steps = 25
const [imagePrompt, textPrompt, textTokens] = [128, 8, 96]

/** The steps of DDIM with what noise there is at each. */
function ddimSteps() {
  const schedule = cosineSchedule()
  return ddim(schedule)
    .steps(steps)
    .map((step) => ({ ...step, ...schedule.coefficients(step.t) }))
}

/** Our side, and PyTorch's, `theirs` being eager or compiled, if any. */
async function startSides(compute, theirs) {
  const ours = startOurs('sample', { size, compute })
  if (!theirs) return { ours }
  const { config } = await ours.ask({})
  const peer = { config, compute, compiled: theirs === 'compiled', ddim: { [steps]: ddimSteps() } }
  return { ours, [`PyTorch ${theirs}`]: startPeer('sample', peer) }
}

/** Rows of a table, each count's after the other; `each` makes a row of what a side measured, given its own of one alone. */
async function rowsOf(sides, counts, requestOf, each) {
  const rows = []
  const alone = {}
  for (const count of counts) {
    const turns = { rounds: Number(options.rounds), warmUps: count === counts[0] ? 1 : 0 }
    const { sides: measured, rate } = await compareSides(sides, requestOf(count), turns)
    for (const [side, result] of Object.entries(measured)) {
      if (count === 1) alone[side] = result
      const faster = side === 'ours' ? undefined : result.best / measured.ours.best
      rows.push({
        count,
        side,
        ...each({ ...measured.ours, ...result }, count, rate, alone[side]),
        'peak MiB': result.peakMemory,
        faster,
      })
    }
  }
  return rows
}

const imageColumns = {
  count: whole,
  side: text,
  's an image': fixed(2),
  'against one': times,
  'peak MiB': mebibytes,
  faster: times,
}
const textColumns = {
  count: whole,
  side: text,
  'tokens/s': fixed(1),
  'against one': times,
  'weights GB/s': giga,
  'of bandwidth': fixed(2),
  'peak MiB': mebibytes,
  faster: times,
}

const imageRows = (sides) =>
  rowsOf(
    sides,
    numbersOf(options.images),
    (count) => ({ image: { count, promptTokens: imagePrompt, steps } }),
    ({ best }, count, _rate, alone) => ({
      's an image': best / count,
      'against one': alone && alone.best / (best / count),
    }),
  )

const textRows = (sides) =>
  rowsOf(
    sides,
    numbersOf(options.texts),
    (count) => ({ text: { count, promptTokens: textPrompt, tokens: textTokens } }),
    ({ best, tokens, weightBytes }, count, rate, alone) => ({
      'tokens/s': tokens / best,
      'against one': alone && tokens / best / (alone.tokens / alone.best),
      // Together, texts read the weights once.
      'weights GB/s': (weightBytes * tokens) / count / best,
      'of bandwidth': (weightBytes * tokens) / count / best / rate,
    }),
  )

if (options.peer) installPeers()
const report = await openReport('sample', options)
for (const compute of options.compute.split(','))
  for (const theirs of options.peer ? ['eager', 'compiled'] : [undefined])
    await withEnded(await startSides(compute, theirs), async (sides) => {
      report.table(`images, ${size} ${compute}`, imageColumns, await imageRows(sides))
      report.table(`text, ${size} ${compute}`, textColumns, await textRows(sides))
    })
await report.close()
