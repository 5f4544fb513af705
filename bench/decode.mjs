// Decoding a language model of a GGUF file: tokens/s of one text and of several at once, a long prompt, the memory that it takes
// and how long a program takes to its first token.
//   npm run bench -- decode --model FILE.gguf[,FILE.gguf] [--threads 1,2] [--texts 1,8] [--tokens 64] [--rounds 3]
//     [--peer] [--peer-folder FOLDER] [--json FILE]
// --peer: llama.cpp in turns with it, by npm's node-llama-cpp, which is installed outside of the repository, or is in
// --peer-folder. bench/peers/convert_gguf.py writes a file's weights in other types.
import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { compareSides, withEnded } from './common/compare.mjs'
import { fixed, text, times, whole } from './common/format.mjs'
import { installLlamaCpp, startLlamaCpp } from './common/llama_cpp.mjs'
import { numbersOf, openReport, parseOptions } from './common/report.mjs'
import { startOurs } from './common/subject.mjs'
import { inTurns } from './common/turns.mjs'

const options = parseOptions({
  model: { type: 'string' },
  threads: { type: 'string', default: '1,2' },
  texts: { type: 'string', default: '1,8' },
  tokens: { type: 'string', default: '64' },
  rounds: { type: 'string', default: '3' },
  peer: { type: 'boolean', default: false },
  'peer-folder': { type: 'string' },
})
if (options.model === undefined) {
  console.error(
    'decode: --model: expected a GGUF file; node examples/teach-smollm2/fetch.mjs fetches SmolLM2-135M',
  )
  process.exit(1)
}
const [rounds, tokens] = [Number(options.rounds), Number(options.tokens)]
const folder = options.peer ? installLlamaCpp(options['peer-folder']) : undefined

/** Starts a side, by its name. */
const starts = {
  ours: (subject) => startOurs('decode', subject),
  ...(folder && { 'llama.cpp': (subject) => startLlamaCpp(folder, subject) }),
}
const names = Object.keys(starts)
const namedBy = (valueOf) => Object.fromEntries(names.map((name) => [name, valueOf(name)]))

const short = 12
/** About 512 tokens. */
const long = 470
const requests = [
  ...numbersOf(options.texts).map((texts) => ({ what: 'write', words: short, texts, tokens })),
  { what: 'read', words: long, texts: 1, tokens: 1 },
]

/** A row for each side: ours over the other's, where there is one. */
function rowsOf(sides, valueOf, common) {
  const ours = valueOf(sides.ours)
  return Object.entries(sides).map(([side, result]) => ({
    ...common,
    side,
    value: valueOf(result),
    'ours is': side === 'ours' ? undefined : ours / valueOf(result),
  }))
}

const speedColumns = {
  what: text,
  texts: whole,
  threads: whole,
  side: text,
  value: fixed(1),
  'ours is': times,
}
const speedRows = async (model, threads) => {
  const rows = []
  await withEnded(
    namedBy((name) => starts[name]({ model, threads })),
    async (sides) => {
      for (const { what, ...request } of requests) {
        const { sides: measured } = await compareSides(sides, request, { rounds })
        const perSecond = ({ best, tokens, read }) => (what === 'read' ? read : tokens) / best
        rows.push(...rowsOf(measured, perSecond, { what, texts: request.texts, threads }))
      }
    },
  )
  return rows
}

const startColumns = {
  side: text,
  'to first token, s': fixed(2),
  'resident MB': whole,
  'over the file': fixed(2),
}
/** Each time in a process of its own. */
async function startRows(model) {
  const bytes = statSync(model).size
  const last = {}
  const once = (side) => async () => {
    const started = performance.now()
    const subject = starts[side]({ model, threads: 2 })
    await subject.ask({ words: short, texts: 1, tokens: 1 })
    const seconds = (performance.now() - started) / 1000
    last[side] = await subject.ask({ words: short, texts: 1, tokens: 16 })
    await subject.end()
    return seconds
  }
  const measured = await inTurns(namedBy(once), { rounds })
  return names.map((side) => ({
    side,
    'to first token, s': measured[side].best,
    'resident MB': last[side].resident / 1e6,
    'over the file': last[side].resident / bytes,
  }))
}

const report = await openReport('decode', options)
for (const model of options.model.split(',')) {
  const name = basename(model)
  const rows = []
  for (const threads of numbersOf(options.threads)) rows.push(...(await speedRows(model, threads)))
  report.table(`${name}: tokens/s`, speedColumns, rows)
  report.table(`${name}: start and memory, 2 threads`, startColumns, await startRows(model))
}
await report.close()
