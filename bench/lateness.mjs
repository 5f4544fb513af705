// How late a 1 ms timer is while a model of 10 M parameters trains, and while one samples: what other work of the same
// process, a server's say, feels. Node's monitorEventLoopDelay samples too rarely to tell.
//   npm run bench -- lateness [seconds] [rounds]
// prints, in milliseconds, the median over the rounds of each percentile of
//   late     how late the timer ran: all that follows, and what the system and other programs add
//   own      between two ticks, the processor time of JavaScript's thread: long slices of its own work, whatever the
//            load of the machine (Linux)
//   waited   between two ticks, how long the thread was ready to run and another had the processor (Linux)
// and the worst of all rounds. The idle process is the control. `start` is the process's first training and sampling, two
// seconds of each: code that was never run, and V8's first collection of what loading left behind.
import { closeSync, openSync, readSync } from 'node:fs'
import { captionedImage, makeCaptionTokenizer, Trainer, Transfusion } from '../dist/index.js'
import { describeLimits, measureLimits } from './common/limits.mjs'

const seconds = Number(process.argv[2] ?? 20)
const rounds = Number(process.argv[3] ?? 3)
const columns = process.platform === 'linux' ? ['late', 'own', 'waited'] : ['late']

/** The main thread's processor time and its wait for a processor so far, in milliseconds: schedstat's two first fields. */
function openClocks() {
  if (process.platform !== 'linux') return { read: () => [0, 0], close() {} }
  const file = openSync(`/proc/self/task/${process.pid}/schedstat`)
  const buffer = Buffer.alloc(64)
  return {
    read() {
      process.cpuUsage() // makes the kernel bring the running thread's time up to date
      const length = readSync(file, buffer, 0, buffer.length, 0)
      return buffer
        .latin1Slice(0, length)
        .split(' ', 2)
        .map((nanoseconds) => Number(nanoseconds) / 1e6)
    },
    close: () => closeSync(file),
  }
}

/** Runs `work(signal)` until the time is over; resolves with what each tick measured. */
async function ticksDuring(work, seconds) {
  const ticks = []
  const stop = new AbortController()
  const clocks = openClocks()
  let last = clocks.read()
  const tick = (due) => {
    const late = performance.now() - due
    const [own, waited] = clocks.read().map((now, i) => now - last[i])
    ticks.push({ late, own, waited })
    last = clocks.read()
    timer = setTimeout(tick, 1, performance.now() + 1)
  }
  let timer = setTimeout(tick, 1, performance.now() + 1)
  setTimeout(() => stop.abort(), seconds * 1000)
  await work(stop.signal)
  clearTimeout(timer)
  clocks.close()
  return ticks
}

const percentiles = { median: 0.5, p99: 0.99, 'p99.9': 0.999, max: 1 }

/** { median, p99, 'p99.9', max } of one column. */
function summaryOf(ticks, column) {
  const sorted = ticks.map((tick) => tick[column]).toSorted((a, b) => a - b)
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return Object.fromEntries(Object.entries(percentiles).map(([name, share]) => [name, at(share)]))
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

function report(name, measured) {
  for (const column of columns) {
    const summaries = measured.map((ticks) => summaryOf(ticks, column))
    const figures = Object.keys(percentiles).map(
      (key) => `${key} ${median(summaries.map((summary) => summary[key])).toFixed(2)}`,
    )
    const worst = Math.max(...summaries.map(({ max }) => max)).toFixed(2)
    console.log(`${name.padEnd(9)} ${column.padEnd(7)} ${figures.join('  ')}  worst ${worst}`)
  }
}

const names = Array.from({ length: 10 }, (_, i) => `kind ${i}`)
const pixels = Uint8Array.from({ length: 28 * 28 }, (_, i) => (i * 37) % 256)
const dataset = {
  length: 1000,
  classNames: names,
  get: (i) => captionedImage(names[i % 10], { width: 28, height: 28, channels: 1, data: pixels }),
}
const image = { channels: 1, patch: 4, height: 28, width: 28 }
const model = Transfusion.create(
  { layers: 8, channels: 320, heads: 5, feedForward: 896, image },
  makeCaptionTokenizer(names),
  { compute: 'f32' },
)
const trainer = new Trainer(model, dataset, { steps: 1_000_000, batchSize: 32 })

let steps = 0
let images = 0
const train = (signal) => trainer.run({ signal, onStep: () => steps++ })
/** An image in 50 steps, then text. */
async function sample(signal) {
  try {
    for (; ; images++) {
      await model.generateImages(['kind 3'], [images], { steps: 50 }, signal)
      for await (const _ of model.generate('kind 3', {
        seed: images,
        temperature: 1,
        maxTokens: 32,
        maxImages: 0,
        signal,
      }));
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
const phases = {
  idle: (signal) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
  training: train,
  sampling: sample,
}

console.log(describeLimits(await measureLimits()))
console.log(`${(model.parameterCount / 1e6).toFixed(1)} M parameters, ${rounds} rounds of ${seconds} s`)
const start = [...(await ticksDuring(train, 2)), ...(await ticksDuring(sample, 2))]
const measured = { start: [start], ...Object.fromEntries(Object.keys(phases).map((name) => [name, []])) }
for (let round = 0; round < rounds; round++)
  for (const [name, work] of Object.entries(phases)) measured[name].push(await ticksDuring(work, seconds))
for (const [name, ticks] of Object.entries(measured)) report(name, ticks)
console.log(`${steps} steps, ${images} images`)
