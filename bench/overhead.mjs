// What JavaScript costs: the share of time in which the native stream waits for it, in the demo's training step and in
// decoding text for one, and the microseconds of an op's call.
//   npm run bench -- overhead [--size 0.16B,5M] [--steps 40] [--tokens 64] [--rounds 5] [--json FILE]
// Of the stream: "idle", nothing is queued; "between", from one kernel to the next; best and median of the rounds. Of op
// calls: JavaScript's time for one, the kernel's own not counted; the best of many rounds.
import {
  add,
  attention,
  backward,
  empty,
  fence,
  fromArray,
  full,
  linear,
  noGrad,
  rmsNorm,
  scope,
  startProfile,
  sum,
  trackGradient,
} from '../dist/entry/tensor.js'
import { native } from '../dist/native.js'
import { newDemoRun, openDemo } from './common/demo.mjs'
import { fixed, text, whole } from './common/format.mjs'
import { makeModel, words } from './common/models.mjs'
import { openReport, parseOptions } from './common/report.mjs'
import { trainSteps } from './common/train_steps.mjs'
import { bestOf, summarize } from './common/turns.mjs'

const options = parseOptions({
  size: { type: 'string', default: '0.16B,5M' },
  steps: { type: 'string', default: '40' },
  tokens: { type: 'string', default: '64' },
  rounds: { type: 'string', default: '5' },
})
const [steps, tokens, rounds] = [options.steps, options.tokens, options.rounds].map(Number)
const sizes = options.size.split(',').filter(Boolean)

// ---- the stream ----

/** A row of the table: `work` does `count` of something, again and again. */
async function streamRow(name, count, work) {
  await work()
  const reports = []
  for (let round = 0; round < rounds; round++) {
    const profile = startProfile()
    await work()
    reports.push(await profile.stop())
  }
  const of = (figure) => summarize(reports.map(figure))
  const idle = of(({ time, idle }) => (100 * idle) / time)
  const between = of(({ time, busy, idle }) => (100 * (time - busy - idle)) / time)
  return {
    work: name,
    ms: of(({ time }) => time / count).best,
    kernels: reports[0].kernels.reduce((sum, { calls }) => sum + calls, 0) / count,
    'idle %': idle.best,
    'median %': idle.median,
    'between %': between.best,
  }
}

async function decode(model) {
  for await (const event of model.generate(words(8), { maxTokens: tokens, maxImages: 0, stopTokens: [] }))
    if (event.type === 'done') return event
}

async function decodingRow(size, compute) {
  const model = makeModel(size, compute)
  const row = await streamRow(`a token of text for one, ${size} ${compute}`, tokens, () => decode(model))
  model[Symbol.dispose]()
  return row
}

// ---- op calls ----

const calls = 200
const [T, H, D] = [4, 2, 32]
const C = H * D

/** Microseconds of JavaScript for each of the calls that `body` makes. */
async function callMicroseconds(body, count = calls) {
  const seconds = await bestOf(async () => {
    await fence()
    const started = performance.now()
    body()
    return (performance.now() - started) / 1000
  }, 200)
  return (1e6 * seconds) / count
}

const repeated = (call) => () =>
  scope(() => {
    for (let i = 0; i < calls; i++) call()
  })

function callCases() {
  const x = full([T, C], 1)
  const y = full([T, C], 1)
  const weight = full([C, C], 0.01)
  const gain = full([C], 1)
  for (const parameter of [weight, gain]) trackGradient(parameter)
  const q = full([T, H, D], 1)
  const ints = (values) => fromArray(Int32Array.from(values))
  const spans = {
    keyStart: ints([0, 0, 0, 0]),
    keyEnd: ints([1, 2, 3, 4]),
    queryRows: ints([0, T]),
    keyRows: ints([0, T]),
  }
  const free = (call) => repeated(() => noGrad(call))
  const depth = calls / 2
  const chain = () => {
    let h = x
    for (let i = 0; i < depth; i++) h = linear(rmsNorm(h, gain), weight)
    return sum(h)
  }
  return {
    'a kernel by its handles': repeated(() => native.add(y.handle, x.handle, x.handle)),
    'a tensor made and freed': repeated(() => empty([T, C]).free()),
    'a view made and freed': repeated(() => x.view([C, T]).free()),
    'add, not recorded': free(() => add(x, x)),
    'rmsNorm, not recorded': free(() => rmsNorm(x, gain)),
    'linear, not recorded': free(() => linear(x, weight)),
    'attention, not recorded': free(() => attention(q, q, q, spans)),
    'rmsNorm, recorded': repeated(() => rmsNorm(x, gain)),
    'linear, recorded': repeated(() => linear(x, weight)),
    'rmsNorm and linear, recorded, a call': () => scope(chain),
    'and with the backward pass, a call': () => scope(() => backward(chain())),
  }
}

const report = await openReport('overhead', options)
const target = { idle: 2, call: 3 }

const rows = []
for (const [op, body] of Object.entries(callCases())) rows.push({ op, us: await callMicroseconds(body) })
report.table(`JavaScript's time, target ${target.call} us a call`, { op: text, us: fixed(2) }, rows)

const { model, trainer } = newDemoRun(await openDemo(), 1_000_000)
const streams = [await streamRow("the demo's training step", steps, () => trainSteps(trainer, steps))]
trainer[Symbol.dispose]()
model[Symbol.dispose]()
for (const size of sizes)
  for (const compute of ['f32', 'bf16']) streams.push(await decodingRow(size, compute))
report.table(
  `the stream, target ${target.idle} % idle`,
  {
    work: text,
    ms: fixed(2),
    kernels: whole,
    'idle %': fixed(2),
    'median %': fixed(2),
    'between %': fixed(2),
  },
  streams,
)
await report.close()
