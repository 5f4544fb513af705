// Trains with checkpoints: run it again after it was stopped, at any moment, and it goes on where it was.
// node examples/resume.mjs FOLDER_OF_PICTURES [RUN]
import { join } from 'node:path'
import { CheckpointFolder, FolderDataset, makeCaptionTokenizer, Trainer, Transfusion } from 'transfusion-js'

// name.png (or .jpg, .webp), and its caption beside it in name.txt
const [pictures, run = 'runs/resume'] = process.argv.slice(2)
const size = { channels: 3, height: 32, width: 32 }
const dataset = await FolderDataset.open(pictures, size)
const samples = await Promise.all(Array.from({ length: dataset.length }, (_, i) => dataset.get(i)))
const tokenizer = makeCaptionTokenizer(samples.map(({ parts }) => parts[0].text))

const model = Transfusion.create(
  {
    layers: 4,
    channels: 128,
    heads: 4,
    feedForward: 352,
    image: { ...size, patch: 8, positions: 'sincos' },
  },
  tokenizer,
  { objective: { prediction: 'v', weighting: 'v' } },
)
const trainer = new Trainer(model, dataset, {
  steps: 300,
  batchSize: 8,
  learningRate: { peak: 1e-3, warmupSteps: 20 },
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
