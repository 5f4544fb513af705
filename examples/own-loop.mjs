// A training loop of one's own: another noise schedule, and a second head beside the model's two.
// node examples/own-loop.mjs
import { cosineSchedule, ddim, makeCaptionTokenizer, Transfusion, writePng } from 'transfusion-js'
import {
  add,
  backward,
  crossEntropy,
  fromArray,
  gatherRows,
  InFlightLimit,
  scale,
  scope,
  sum,
} from 'transfusion-js/tensor'
import {
  AdamW,
  adamwSchema,
  learningRateAt,
  Linear,
  ParameterArena,
  ParameterList,
  prepareSequence,
  trainingBatch,
  transfusionLoss,
} from 'transfusion-js/nn'

// Pictures of 8 x 8 pixels, bright on the left or on the right.
const classes = ['left', 'right']
const picture = (label) => ({
  width: 8,
  height: 8,
  channels: 1,
  data: Uint8Array.from({ length: 64 }, (_, i) => (i % 8 < 4 === (label === 0) ? 255 : 0)),
})
const tokenizer = await makeCaptionTokenizer(classes)
const image = { channels: 1, patch: 4, height: 8, width: 8, positions: 'sincos' }
const sizes = { layers: 2, channels: 64, heads: 2, feedForward: 128, image }
const model = Transfusion.create(sizes, tokenizer, { objective: { prediction: 'v', weighting: 'v' } })

// The cosine schedule with less noise at each t: its log signal-to-noise ratio raised by 2 log(s) (Hoogeboom et al. 2023).
const shifted = (s) => {
  const { steps, coefficients } = cosineSchedule()
  return {
    steps,
    continuous: false,
    coefficients(t) {
      const { alpha, sigma } = coefficients(t)
      const norm = Math.hypot(s * alpha, sigma)
      return { alpha: (s * alpha) / norm, sigma: sigma / norm }
    },
  }
}
const schedule = shifted(1.5)

// A head that tells an image's class from the transformer's output at its last patch, with parameters of its own.
const parameters = new ParameterList()
const head = new Linear(parameters.under('class_head'), sizes.channels, classes.length, { bias: true })
const headArena = new ParameterArena(parameters.parameters)
headArena.initialize(1)

const samples = await Promise.all(
  classes.map(async (name, label) => ({
    name,
    parts: [
      { type: 'text', ids: await tokenizer.encode(name) },
      { type: 'image', image: picture(label) },
    ],
  })),
)
const optimizers = [model.network.arena, headArena].map((arena) => new AdamW(arena, adamwSchema.parse({})))
const learningRate = { peak: 3e-3, final: 6e-5, warmupSteps: 20 }
const order = { seed: 0, captionFirst: 0.8, captionFirstTextWeight: 1, conditionDropout: 0.1 }
const [steps, batchSize] = [300, 64]

/** The rows of the sequence that hold the last patch of each image. */
const lastPatches = ({ patchImage, patchRows, images }) =>
  Int32Array.from(images, (_, i) => patchRows[patchImage.lastIndexOf(i)])

/** Rows [N, classes] of the class head, for a packed batch. */
const classLogits = ({ packed }, hidden) =>
  head.forward(gatherRows(hidden, fromArray(lastPatches(packed))), { dtype: 'f32' })

/** Waits until a step is done; prints every fiftieth. */
async function report(step, losses) {
  const values = await Promise.all(
    Object.entries(losses).map(async ([name, loss]) => {
      const [value] = loss ? await loss.readFloats() : []
      loss?.free()
      return `${name} ${value?.toFixed(3) ?? '-'}`
    }),
  )
  if (step % 50 === 0) console.log(`step ${step}: ${values.join(', ')}`)
}

const inFlight = new InFlightLimit()
for (let step = 0; step < steps; step++) {
  const labels = Int32Array.from({ length: batchSize }, (_, i) => i % classes.length)
  const documents = Array.from(labels, (label, i) => prepareSequence(samples[label], model, order, step, i))
  const batch = await trainingBatch(model, documents, { schedule, step })
  const losses = scope(() => {
    const { total, lm, diffusion, hidden } = transfusionLoss(model.network, batch, { imageWeight: 5 })
    const errors = crossEntropy(classLogits(batch, hidden), fromArray(labels))
    const classLoss = scale(sum(errors), 1 / batchSize)
    backward(add(total, scale(classLoss, 0.1)))
    for (const optimizer of optimizers) optimizer.step(learningRateAt(learningRate, step, step / steps))
    return { lm, diffusion, classLoss }
  })
  // JavaScript goes ahead of the device by one step.
  await inFlight.step(report(step + 1, losses))
}
await inFlight.finish()

// Samples with the same schedule.
const images = await model.generateImages(classes, [0, 1], { sampler: ddim(schedule), steps: 20 })
for (const [i, name] of classes.entries()) await writePng(`${name}.png`, images[i])
