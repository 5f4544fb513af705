// Trains with checkpoints: run it again after it was stopped, at any moment, and it goes on where it was.
// node examples/resume.mjs FOLDER_OF_PICTURES [RUN [STEPS]]
import { join } from 'node:path'
import {
  CheckpointFolder,
  FolderDataset,
  makeCaptionTokenizer,
  Trainer,
  Transfusion,
  writePng,
} from 'transfusion-js'
import { drawContactSheet } from 'transfusion-js/data'

// name.png (or .jpg, .webp), and its caption beside it in name.txt
const [pictures, run = 'runs/resume', steps = '300'] = process.argv.slice(2)
const size = { channels: 3, height: 32, width: 32 }
const dataset = await FolderDataset.open(pictures, size)
const samples = await Promise.all(Array.from({ length: dataset.length }, (_, i) => dataset.get(i)))
const captions = samples.map(({ parts }) => parts[0].text)

const model = Transfusion.create(
  {
    layers: 4,
    channels: 128,
    heads: 4,
    feedForward: 352,
    // A patch has 8 x 8 x 3 = 192 values, more than the channels: without a U-Net and with a prediction of noise it would
    // have to be smaller (docs/image-sizes.md).
    image: { ...size, patch: 8, positions: 'sincos', unet: { channels: [64, 128], stem: 4 } },
  },
  makeCaptionTokenizer(captions),
  { objective: { prediction: 'x0', weighting: 'v' } },
)
// 300 are enough for some dozens of simple pictures; give thousands for more.
const trainer = new Trainer(model, dataset, {
  steps: Number(steps),
  batchSize: 16,
  learningRate: { peak: 2e-3, warmupSteps: 20 },
})

const checkpoints = new CheckpointFolder(join(run, 'checkpoints'), 2)
const latest = await checkpoints.latest()
if (latest) await trainer.restore(latest)
console.log(`from step ${trainer.done.steps}`)

// Ctrl-C ends training after the step and saves.
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
await trainer.run({ signal: stop.signal, checkpoints: { folder: checkpoints, steps: 50 } })
await model.save(join(run, 'model'))
console.log(`to step ${trainer.done.steps}`)

/** What it generates from the first captions. */
async function writeSheet() {
  const wanted = [...new Set(captions)].slice(0, 8)
  const images = await model.generateImages(wanted, undefined, { sampler: 'ddim', steps: 50 })
  const cells = images.map((image, i) => ({ image, captions: [{ text: wanted[i] }] }))
  const sheet = { title: 'Generated', scale: 4, sections: [{ heading: '', rows: [{ cells }] }] }
  await writePng(join(run, 'sheet.png'), drawContactSheet(sheet))
}
if (!stop.signal.aborted) await writeSheet()
