// Training steps through the Trainer, on documents that are ready, on the device of TRANSFUSION_DEVICE.
//   { size, compute, batchTokens, positions, products }, the last three of a batch, of its documents and of training where not
//   the usual, then { steps } -> { seconds, losses, flops, positions, rate, peakMemory }, or
//   { folder, warmUp } -> { config, batches, weights }: what bench/peers/step.py begins with to do the same as a new
//   Trainer from here on, `warmUp` steps of another one having made the weights less special than new ones are
import { join } from 'node:path'
import { Trainer } from '../../dist/index.js'
import { exportBatches, exportConfig } from '../common/export_batches.mjs'
import { peakMemory, rateOf } from '../common/limits.mjs'
import { makeModel } from '../common/models.mjs'
import { serve } from '../common/subject.mjs'
import { trainSteps } from '../common/train_steps.mjs'
import { readyDocuments, trainingSettings } from '../common/training_documents.mjs'

/** Steps of the file of batches; a peer begins it anew at its end. */
const exportedSteps = 4

await serve(({ size, compute, batchTokens = trainingSettings.batchTokens, positions, products }) => {
  const model = makeModel(size, compute)
  const documents = readyDocuments(model, positions)
  const settings = { ...trainingSettings, batchTokens, products }
  const newTrainer = () => new Trainer(model, documents, settings)
  let trainer = newTrainer()

  async function exportTo(folder, warmUp) {
    const config = exportConfig(model)
    const batches = await exportBatches(model, exportedSteps, folder, { documents, settings })
    if (warmUp === 0) return { config, batches }
    await trainSteps(trainer, warmUp)
    trainer[Symbol.dispose]()
    trainer = newTrainer()
    await model.save(folder)
    return { config, batches, weights: join(folder, 'model.safetensors') }
  }

  return async ({ folder, warmUp = 0, steps }) => {
    if (folder) return exportTo(folder, warmUp)
    const rate = await rateOf(compute)
    const { reports, seconds } = await trainSteps(trainer, steps)
    const {
      flops,
      counts: { positions },
    } = reports[0]
    const losses = reports.map(({ terms }) => terms)
    return { seconds, losses, flops, positions, rate, peakMemory: peakMemory() }
  }
})
