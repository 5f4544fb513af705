// Trains a tiny model for two steps on the GPU and prints the digest of its weights: seeds.test.ts.
import { createHash } from 'node:crypto'
import { captionedImage, makeCaptionTokenizer, Trainer, Transfusion } from '../../dist/index.js'

const [compute] = process.argv.slice(2)
const names = ['left', 'right']
const dataset = {
  length: 8,
  classNames: [],
  get: (i) =>
    captionedImage(names[i % 2], {
      width: 8,
      height: 8,
      channels: 1,
      data: Uint8Array.from({ length: 64 }, (_, k) => (k % 8 < 4 === i % 2 > 0 ? 200 + i : i)),
    }),
}
const model = Transfusion.create(
  {
    layers: 1,
    channels: 32,
    heads: 2,
    feedForward: 64,
    image: { channels: 1, patch: 2, height: 8, width: 8 },
  },
  makeCaptionTokenizer(names),
  { device: 'cuda', compute },
)
const trainer = new Trainer(model, dataset, { steps: 2, batchSize: 4, learningRate: { peak: 3e-3 } })
await trainer.run()
const weights = await model.network.arena.values.readFloats()
if (!weights.every(Number.isFinite)) throw new Error('weights are not finite')
console.log(createHash('sha256').update(new Uint8Array(weights.buffer)).digest('hex'))
