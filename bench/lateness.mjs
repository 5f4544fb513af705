// How late a 1 ms timer is while a model of 10 M parameters trains, and while one samples: what other work of the same
// process, a server's say, feels. `node bench/lateness.mjs [seconds]` prints percentiles in milliseconds.
// Node's monitorEventLoopDelay samples too rarely to tell.
import { captionedImage, makeCaptionTokenizer, Trainer, Transfusion } from '../dist/index.js'

const seconds = Number(process.argv[2] ?? 20)

/** Runs `work(signal)` until the time is over; resolves with the lateness of each tick in milliseconds. */
async function latenessDuring(work) {
  const late = []
  const stop = new AbortController()
  let ticking = true
  const tick = (due) => {
    const now = performance.now()
    late.push(now - due)
    if (ticking) setTimeout(tick, 1, performance.now() + 1)
  }
  setTimeout(tick, 1, performance.now() + 1)
  setTimeout(() => stop.abort(), seconds * 1000)
  await work(stop.signal)
  ticking = false
  return late
}

function report(name, late) {
  const sorted = late.toSorted((a, b) => a - b)
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(2)
  console.log(
    `${name.padEnd(10)} ${late.length} ticks: median ${at(0.5)} ms, p99 ${at(0.99)}, p99.9 ${at(0.999)}, max ${at(1)}`,
  )
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
console.log(`${(model.parameterCount / 1e6).toFixed(1)} M parameters`)

const idle = await latenessDuring(
  (signal) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
)
report('idle', idle)

const trainer = new Trainer(model, dataset, { steps: 1_000_000, batchSize: 32 })
report('training', await latenessDuring((signal) => trainer.run({ signal })))

const sample = async (signal) => {
  try {
    for (let seed = 0; ; seed++)
      for await (const _ of model.generate('kind 3', { seed, steps: 50, previewEvery: 5, signal }));
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
report('sampling', await latenessDuring(sample))
