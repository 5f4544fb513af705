// Images decoded and packed per second against what the fastest training step eats: JPEG files of 256 x 256 with captions,
// read from a folder, resized to 64 x 64, tokenized, packed into batches of 2048 positions. Then what the step takes
// longer with such data than with documents that are ready, both in turns.
//   npm run bench -- data [--files 256] [--workers 0,1,2] [--size 5M] [--compute f32,bf16] [--rounds 3] [--json FILE]
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { Trainer, transfusionTrainingSchema } from '../dist/index.js'
import { openFolderSource, openStream } from '../dist/entry/data.js'
import { BatchMaker } from '../dist/models/transfusion/training/batches.js'
import { positionsOf } from '../dist/models/transfusion/training/data.js'
import { fixed, milliseconds, text, whole } from './common/format.mjs'
import { image, makeModel, words } from './common/models.mjs'
import { openReport, parseOptions } from './common/report.mjs'
import { trainingSettings } from './common/training_documents.mjs'
import { inTurns } from './common/turns.mjs'
import { trainSteps } from './common/train_steps.mjs'

const options = parseOptions({
  files: { type: 'string', default: '256' },
  workers: { type: 'string', default: '0,1,2' },
  size: { type: 'string', default: '5M' },
  compute: { type: 'string', default: 'f32,bf16' },
  rounds: { type: 'string', default: '3' },
})
const files = Number(options.files)
const rounds = Number(options.rounds)
const [fileSide, captionWords, stepsPerRound] = [256, 8, 10]
const settings = { ...trainingSettings, learningRate: { peak: 1e-4, warmupSteps: 0 } }

/** Pictures that JPEG has some work with: colour gradients under noise. */
async function writePictures(folder) {
  const [width, height, channels] = [fileSide, fileSide, 3]
  for (let i = 0; i < files; i++) {
    const pixels = Uint8Array.from({ length: width * height * channels }, (_, at) => {
      const x = (at / channels) % width
      return (x + (at >> 9) * (i % 7) + ((at * 2654435761) >>> 27)) & 255
    })
    const name = join(folder, `picture-${i}`)
    await sharp(pixels, { raw: { width, height, channels } }).jpeg({ quality: 90 }).toFile(`${name}.jpg`)
    await writeFile(`${name}.txt`, words(captionWords, i))
  }
}

const streamOf = (source, model, workers) =>
  openStream([{ source, weight: 1 }], {
    tokenizer: model.tokenizer,
    image: model.imagePreprocessing,
    positionsOf: positionsOf(model.network.config),
    seed: 0,
    workers,
  })

/** Seconds in which as many images as there are files were decoded and packed, for each number of workers. */
async function packing(source, model) {
  const cases = options.workers.split(',').map((workers) => [
    `${workers} workers`,
    async () => {
      const stream = streamOf(source, model, Number(workers))
      const maker = new BatchMaker(stream, model, transfusionTrainingSchema.parse(settings))
      // The first batch waits for workers to start, which is once a run.
      await maker.make(0)
      const started = performance.now()
      let images = 0
      for (let step = 1; images < files; step++) images += (await maker.make(step)).denominators.images
      const seconds = (performance.now() - started) / 1000
      await stream.close()
      return seconds / images
    },
  ])
  return inTurns(Object.fromEntries(cases), { rounds })
}

/** The documents of a few batches, read once and given again and again. */
async function readOnce(source, model) {
  const stream = streamOf(source, model, 0)
  const documents = []
  while (documents.length < 32) documents.push((await stream.next()).document)
  await stream.close()
  let next = 0
  return () => ({
    next: async () => ({ document: documents[next++ % documents.length], state: { sources: [] } }),
    close: async () => {},
  })
}

/** Seconds of a step on documents from files, on ready ones, and the images of a step. */
async function steps(source, model) {
  const stream = streamOf(source, model, 1)
  const kept = { next: () => stream.next(), close: async () => {} }
  let images = 0
  const caseOf = (data) => {
    const trainer = new Trainer(model, data, settings)
    return async () => {
      const { reports, seconds } = await trainSteps(trainer, stepsPerRound)
      images = reports.at(-1).counts.images
      return seconds
    }
  }
  const cases = { files: caseOf(() => kept), ready: caseOf(await readOnce(source, model)) }
  const seconds = await inTurns(cases, { rounds })
  await stream.close()
  return { seconds, images }
}

const report = await openReport('data', options)
const folder = await mkdtemp(join(tmpdir(), 'data-bench-'))
try {
  await writePictures(folder)
  const source = await openFolderSource(folder)
  const rows = []
  for (const compute of options.compute.split(',')) {
    const model = makeModel(options.size, compute)
    if (rows.length === 0)
      for (const [name, { best }] of Object.entries(await packing(source, model)))
        rows.push({ what: `decoding and packing, ${name}`, 'images/s': 1 / best })
    const { seconds, images } = await steps(source, model)
    for (const [name, { best }] of Object.entries(seconds))
      rows.push({
        what: `step of ${options.size} ${compute} on ${name === 'files' ? 'files, 1 worker' : 'ready documents'}`,
        'images/s': images / best,
        'best ms': best,
        'of ready': best / seconds.ready.best,
      })
    model[Symbol.dispose]()
  }
  const columns = { what: text, 'images/s': whole, 'best ms': milliseconds, 'of ready': fixed(3) }
  report.table(`images of ${image.width} x ${image.height}`, columns, rows)
} finally {
  await rm(folder, { recursive: true, force: true })
}
await report.close()
