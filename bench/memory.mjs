// Whether memory stays flat: 10,000 training steps and 1,000 generations of a tiny model.
//   npm run bench -- memory [steps] [generations]
// prints, for each quantity, its value after the warm-up (the first fifth) and at the end, the slope of a line fitted
// between (per 1,000 steps or generations), and the growth that the slope makes over the run. Exits with 1 where a
// quantity grows by more than its allowance: none for tensors and live bytes, 1 MiB for cached bytes and JavaScript's
// heap, 8 MiB for resident memory, whose noise is of that size.
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { captionedImage, makeCaptionTokenizer, Trainer, Transfusion } from '../dist/index.js'
import { fence, memory } from '../dist/entry/tensor.js'
import { describeLimits, measureLimits } from './common/limits.mjs'

const steps = Number(process.argv[2] ?? 10_000)
const generations = Number(process.argv[3] ?? 1000)
const readingsPerRun = 50

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

const mebibyte = 2 ** 20
const quantities = {
  tensors: { unit: 'tensors', scale: 1, allowance: 0 },
  live: { unit: 'MiB', scale: mebibyte, allowance: 0 },
  cached: { unit: 'MiB', scale: mebibyte, allowance: 1 },
  heap: { unit: 'MiB', scale: mebibyte, allowance: 1 },
  resident: { unit: 'MiB', scale: mebibyte, allowance: 8 },
}

/** What is held once garbage is gone. V8 gives pages back in the background: of a few readings the lowest counts. */
async function held() {
  await fence()
  let [heap, resident] = [Infinity, Infinity]
  for (let i = 0; i < 5; i++) {
    collectGarbage()
    await setTimeout(20)
    const usage = process.memoryUsage()
    heap = Math.min(heap, usage.heapUsed)
    resident = Math.min(resident, usage.rss)
  }
  const { tensors, live, cached } = memory()
  return { tensors, live, cached, heap, resident }
}

/** The least-squares slope of values that were read at equal distances, for each distance. */
function slopeOf(values) {
  const middle = (values.length - 1) / 2
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const [products, squares] = values.reduce(
    ([products, squares], value, i) => [
      products + (i - middle) * (value - mean),
      squares + (i - middle) ** 2,
    ],
    [0, 0],
  )
  return products / squares
}

/** Prints what the readings, one each `every` repetitions, say; returns whether memory was flat. */
function report(what, count, readings) {
  const warm = readings.slice(Math.floor(readings.length / 5))
  const every = count / readings.length
  console.log(`${count} ${what}, ${readings.length} readings:`)
  return Object.entries(quantities)
    .map(([name, { unit, scale, allowance }]) => {
      const values = warm.map((reading) => reading[name] / scale)
      const slope = slopeOf(values)
      const growth = slope * (values.length - 1)
      const flat = growth <= allowance
      console.log(
        `  ${name.padEnd(8)} ${values[0].toFixed(2)} -> ${values.at(-1).toFixed(2)} ${unit}, ` +
          `${((slope / every) * 1000).toFixed(3)} per 1,000, grows by ${growth.toFixed(2)}: ${flat ? 'flat' : 'NOT FLAT'}`,
      )
      return flat
    })
    .every(Boolean)
}

const names = ['bars', 'slopes']
const pixels = Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256)
const dataset = {
  length: 64,
  classNames: names,
  get: (i) => captionedImage(names[i % 2], { width: 8, height: 8, channels: 1, data: pixels }),
}
const model = Transfusion.create(
  {
    layers: 2,
    channels: 32,
    heads: 2,
    feedForward: 64,
    image: { channels: 1, patch: 2, height: 8, width: 8 },
  },
  makeCaptionTokenizer(names),
)

console.log(describeLimits(await measureLimits()))
const training = []
const trainer = new Trainer(model, dataset, { steps, batchSize: 4, ema: 0.9 })
const interval = Math.max(1, Math.floor(steps / readingsPerRun))
await trainer.run({ every: { steps: interval, run: async () => void training.push(await held()) } })
const trainingFlat = report('training steps', steps, training)

// With every end there is: to the last part, an iterator that is left early, a signal that aborts.
const sampling = []
let images = 0
for (let seed = 0; seed < generations; seed++) {
  const abort = new AbortController()
  const options = { seed, temperature: 1, steps: 3, maxTokens: 8, previewEvery: 1, signal: abort.signal }
  let parts = 0
  try {
    for await (const part of model.generate(names[seed % 2], options)) {
      parts++
      if (part.type === 'image') images++
      if (seed % 4 === 1 && parts === 2) break
      if (seed % 4 === 2 && parts === 2) abort.abort()
    }
  } catch (error) {
    if (!abort.signal.aborted) throw error
  }
  if ((seed + 1) % Math.max(1, Math.floor(generations / readingsPerRun)) === 0) sampling.push(await held())
}
const samplingFlat = report(`generations with ${images} images`, generations, sampling)
process.exitCode = trainingFlat && samplingFlat ? 0 : 1
