// What patches, widths and predictions generate after the same few steps: docs/image-sizes.md has the table. Each setting
// trains a model of four blocks on 24 pictures of shapes and generates half of them from their captions.
//   npm run bench -- sizes [--side 32] [--steps 1500] [--patch 4,8] [--channels 128] [--prediction eps,v,x0] [--sheet FILE]
// rmse: from each generated picture to the nearest one, in values of 0 .. 255. nearest: those whose nearest picture is the one
// of their caption. The weighting is eps with eps, otherwise v.
import {
  captionedImage,
  makeCaptionTokenizer,
  readImage,
  Trainer,
  Transfusion,
  writePng,
} from '../dist/index.js'
import { drawContactSheet } from '../dist/entry/data.js'
import { fixed, text, whole } from './common/format.mjs'
import { numbersOf, openReport, parseOptions } from './common/report.mjs'

const options = parseOptions({
  side: { type: 'string', default: '32' },
  steps: { type: 'string', default: '1500' },
  patch: { type: 'string', default: '4,8' },
  channels: { type: 'string', default: '128' },
  prediction: { type: 'string', default: 'eps,v,x0' },
  sheet: { type: 'string' },
})
const side = Number(options.side)

const shapes = {
  circle: '<circle cx="8" cy="8" r="7"/>',
  square: '<rect x="1.5" y="1.5" width="13" height="13"/>',
  triangle: '<path d="M8 1 L15 15 L1 15 Z"/>',
}

/** A shape on a floor before a wall. */
const svgOf = (shape, colour, left) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="${side}" height="${side}">` +
  '<rect width="32" height="32" fill="#eee"/><rect y="24" width="32" height="8" fill="#cba"/>' +
  `<g transform="translate(${left} 8)" fill="${colour}">${shape}</g></svg>`

const samples = []
for (const [name, shape] of Object.entries(shapes))
  for (const colour of ['red', 'green', 'blue', 'orange'])
    for (const [place, left] of Object.entries({ left: 0, right: 16 }))
      samples.push({
        caption: `a ${colour} ${name} on the ${place}`,
        image: await readImage(Buffer.from(svgOf(shape, colour, left)), { width: side, height: side }),
      })

const captions = samples.map(({ caption }) => caption)
const tokenizer = makeCaptionTokenizer(captions)
const prompts = captions.filter((_, i) => i % 2 === 0)
const dataset = {
  length: samples.length,
  classNames: [],
  get: (i) => captionedImage(captions[i], samples[i].image),
}

const distance = (a, b) =>
  Math.sqrt(a.data.reduce((sum, value, i) => sum + (value - b.data[i]) ** 2, 0) / a.data.length)

async function measure(patch, channels, prediction) {
  const sizes = {
    layers: 4,
    channels,
    heads: 4,
    feedForward: 2.75 * channels,
    image: { channels: 3, height: side, width: side, patch, positions: 'sincos' },
  }
  const objective = { prediction, weighting: prediction === 'eps' ? 'eps' : 'v' }
  const model = Transfusion.create(sizes, tokenizer, { objective })
  const trainer = new Trainer(model, dataset, {
    steps: Number(options.steps),
    batchSize: 8,
    learningRate: { peak: 1e-3, warmupSteps: 50 },
  })
  const losses = []
  await trainer.run({ onStep: ({ terms }) => losses.push(terms.diffusion) })
  const images = await model.generateImages(prompts, undefined, { sampler: 'ddim', steps: 50 })
  const nearest = images.map((image) => {
    const distances = samples.map((sample) => distance(image, sample.image))
    const rmse = Math.min(...distances)
    return { rmse, caption: captions[distances.indexOf(rmse)] }
  })
  trainer[Symbol.dispose]()
  model[Symbol.dispose]()
  const last = losses.slice(-200)
  const row = {
    patch,
    'values of a patch': 3 * patch ** 2,
    channels,
    patches: (side / patch) ** 2,
    prediction,
    loss: last.reduce((sum, loss) => sum + loss, 0) / last.length,
    rmse: nearest.reduce((sum, { rmse }) => sum + rmse, 0) / nearest.length,
    nearest: nearest.filter(({ caption }, i) => caption === prompts[i]).length,
  }
  return { row, images }
}

const columns = {
  patch: whole,
  'values of a patch': whole,
  channels: whole,
  patches: whole,
  prediction: text,
  loss: fixed(3),
  rmse: fixed(1),
  nearest: whole,
}
const report = await openReport('sizes', options)
const rows = []
const sheetRows = []
for (const patch of numbersOf(options.patch))
  for (const channels of numbersOf(options.channels))
    for (const prediction of options.prediction.split(',')) {
      const { row, images } = await measure(patch, channels, prediction)
      rows.push(row)
      sheetRows.push({
        label: `patch ${patch}, ${channels} channels, ${prediction}`,
        cells: images.map((image) => ({ image })),
      })
    }
report.table(`${options.steps} steps on ${side} x ${side} pixels, ${prompts.length} generated`, columns, rows)
const sheet = { title: 'Sizes', scale: 2, sections: [{ heading: '', rows: sheetRows }] }
if (options.sheet !== undefined) await writePng(options.sheet, drawContactSheet(sheet))
await report.close()
