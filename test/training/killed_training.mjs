// Trains a tiny model with a checkpoint after every step: killed.test.ts kills it again and again.
// Arguments: the folder of checkpoints, steps in all.
import { captionedImage, makeCaptionTokenizer, Trainer, Transfusion } from '../../dist/index.js'
import { runWithCheckpoints } from './killed_run.mjs'

const [path, steps] = process.argv.slice(2)
const names = ['left', 'right', 'none', 'both']
const dataset = {
  length: 40,
  classNames: [],
  get: (i) =>
    captionedImage(names[i % 4], {
      width: 8,
      height: 8,
      channels: 1,
      data: Uint8Array.from({ length: 64 }, (_, k) => ((k % 8 < 4 ? i % 4 !== 1 : i % 4 > 0) ? 200 + i : i)),
    }),
}
const model = Transfusion.create(
  {
    layers: 2,
    channels: 32,
    heads: 2,
    feedForward: 64,
    image: { channels: 1, patch: 4, height: 8, width: 8 },
  },
  makeCaptionTokenizer(names),
)
const trainer = new Trainer(model, dataset, {
  steps: Number(steps),
  batchSize: 4,
  ema: 0.9,
  learningRate: { peak: 3e-3, warmupSteps: 3 },
})
await runWithCheckpoints(trainer, path, [model.network.arena])
