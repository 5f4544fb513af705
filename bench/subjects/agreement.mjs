// Training and sampling from one seed, on the device of TRANSFUSION_DEVICE: what devices are to agree on.
//   { size, compute, batchTokens, positions }, then { steps, tokens, denoisingSteps } -> { losses, text, pixels, seconds }: terms of
//   the loss and the gradient's norm of each step, and what the untrained model writes and draws
import { Trainer } from '../../dist/index.js'
import { makeModel, words } from '../common/models.mjs'
import { serve } from '../common/subject.mjs'
import { readyDocuments, trainingSettings } from '../common/training_documents.mjs'

async function write(model, maxTokens) {
  let text = ''
  for await (const event of model.generate(words(7), { maxTokens, maxImages: 0 }))
    if (event.type === 'text') text += event.text
  return text
}

async function draw(model, steps) {
  const [image] = await model.generateImages([words(7)], [1], { steps, sampler: 'ddim' })
  return [...image.data]
}

async function train(model, positions, settings) {
  const trainer = new Trainer(model, readyDocuments(model, positions), settings)
  const losses = []
  await trainer.run({ onStep: ({ terms, gradientNorm }) => losses.push({ ...terms, gradientNorm }) })
  trainer[Symbol.dispose]()
  return losses
}

await serve(({ size, compute, batchTokens = trainingSettings.batchTokens, positions }) => {
  const model = makeModel(size, compute)
  return async ({ steps, tokens, denoisingSteps }) => {
    const started = performance.now()
    const text = await write(model, tokens)
    const pixels = await draw(model, denoisingSteps)
    const losses = await train(model, positions, { ...trainingSettings, steps, batchTokens })
    return { losses, text, pixels, seconds: (performance.now() - started) / 1000 }
  }
})
