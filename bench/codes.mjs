// Images as tokens: the 256 codes of an image (Chameleon) with guidance, after a prompt of 128 tokens, one alone and several
// together.
//   npm run bench -- codes [--size 0.16B] [--compute f32,bf16] [--images 1,4] [--codes 8192] [--rounds 2] [--peer]
//     [--python PATH] [--json FILE]
// --peer: in turns with it transformers' `generate` with its cache and `guidance_scale`, of a language model of the same
// layers: a Qwen3, which has QK-norm too (its own Chameleon never samples codes). --python: one with torch and transformers.
import { compareSides, withEnded } from './common/compare.mjs'
import { fixed, mebibytes, text, times, whole } from './common/format.mjs'
import { installPeers, startPeer } from './common/peers.mjs'
import { numbersOf, openReport, parseOptions } from './common/report.mjs'
import { startOurs } from './common/subject.mjs'

const options = parseOptions({
  size: { type: 'string', default: '0.16B' },
  compute: { type: 'string', default: 'f32,bf16' },
  images: { type: 'string', default: '1,4' },
  codes: { type: 'string', default: '8192' },
  rounds: { type: 'string', default: '2' },
  peer: { type: 'boolean', default: false },
  python: { type: 'string' },
})
const { size, python } = options
const codes = Number(options.codes)
const promptTokens = 128

const columns = {
  images: whole,
  side: text,
  's an image': fixed(2),
  'codes/s': fixed(1),
  'peak MiB': mebibytes,
  faster: times,
}

async function startSides(compute) {
  const ours = startOurs('codes', { size, compute, codes })
  if (!options.peer) return { ours }
  const { config } = await ours.ask({})
  return { ours, transformers: startPeer('codes', { config, compute }, python) }
}

if (options.peer && python === undefined) installPeers()
const report = await openReport('codes', options)
for (const compute of options.compute.split(','))
  await withEnded(await startSides(compute), async (sides) => {
    const rows = []
    for (const images of numbersOf(options.images)) {
      const turns = { rounds: Number(options.rounds), warmUps: 1 }
      const { sides: measured } = await compareSides(sides, { count: images, promptTokens }, turns)
      for (const [side, { best, tokens, peakMemory }] of Object.entries(measured))
        rows.push({
          images,
          side,
          's an image': best / images,
          'codes/s': tokens / best,
          'peak MiB': peakMemory,
          faster: side === 'ours' ? undefined : best / measured.ours.best,
        })
    }
    report.table(`codes, ${size} ${compute}`, columns, rows)
  })
await report.close()
