import { captionedImage, makeCaptionTokenizer, Trainer, Transfusion, writePng } from 'transfusion-js'

// Two pictures of 8 x 8 pixels, bright on the left or on the right, and their captions.
const captions = ['left', 'right']
const picture = (bright) => ({
  width: 8,
  height: 8,
  channels: 1,
  data: Uint8Array.from({ length: 64 }, (_, i) => (captions[i % 8 < 4 ? 0 : 1] === bright ? 255 : 0)),
})
const dataset = { length: 2, classNames: [], get: (i) => captionedImage(captions[i], picture(captions[i])) }

const image = { channels: 1, patch: 4, height: 8, width: 8, positions: 'sincos' }
const sizes = { layers: 2, channels: 64, heads: 2, feedForward: 128, image }
const objective = { prediction: 'v', weighting: 'v' }
const model = Transfusion.create(sizes, makeCaptionTokenizer(captions), { objective })
const trainer = new Trainer(model, dataset, { steps: 300, learningRate: { peak: 3e-3, warmupSteps: 20 } })
await trainer.run()

for await (const part of model.generate('left', { sampler: 'ddim', steps: 20 }))
  if (part.type === 'image') await writePng('left.png', part.image)
for await (const part of model.generate([picture('right')])) if (part.type === 'text') console.log(part.text)
