// What the Trainer trains on, step by step, as a file for bench/peers/step.py: the documents of a batch one a row, the
// images with the noise that the native kernels draw.
import { join } from 'node:path'
import { transfusionTrainingSchema } from '../../dist/index.js'
import { addNoise, fromArray, normal, scope } from '../../dist/entry/tensor.js'
import { writeSafetensors } from '../../dist/entry/data.js'
import { feedForwardOf } from '../../dist/models/transfusion/config.js'
import { BatchMaker } from '../../dist/models/transfusion/training/batches.js'
import { readyDocuments, trainingSettings } from './training_documents.mjs'

const i32 = (shape, data) => ({ dtype: 'i32', shape, data: Int32Array.from(data) })
const f32 = (shape, data) => ({ dtype: 'f32', shape, data: Float32Array.from(data) })

async function noised({ packed, values, targets, seeds }, channels) {
  const [xt, eps] = scope(() => {
    const imageRows = fromArray(packed.imageRows)
    const x0 = fromArray(values, [values.length / channels, channels])
    const key = fromArray(seeds, [seeds.length / 4, 4])
    const xt = addNoise(x0, imageRows, fromArray(targets.alpha), fromArray(targets.sigma), key)
    return [xt, normal(imageRows, key, channels, x0.size(0))]
  })
  const read = await Promise.all([xt.readFloats(), eps.readFloats()])
  xt.free()
  eps.free()
  return read
}

async function tensorsOf(part, image) {
  const { packed, targets } = part
  const documents = packed.keyStart.filter((start, row) => start === row).length
  const [N, T] = [packed.images.length, packed.ids.length / documents]
  const rows = [...packed.labels.keys()].filter((row) => packed.labels[row] >= 0)
  const [xt, eps] = await noised(part, image.channels)
  const pixelShape = [N, image.height, image.width, image.channels]
  const withinDocument = (keys) => keys.map((key, row) => key - Math.floor(row / T) * T)
  return {
    ids: i32([documents, T], packed.ids),
    key_start: i32([documents, T], withinDocument(packed.keyStart)),
    key_end: i32([documents, T], withinDocument(packed.keyEnd)),
    positions: f32([documents, T, 3], packed.positions),
    patch_rows: i32([packed.patchRows.length], packed.patchRows),
    target_rows: i32([rows.length], rows),
    targets: i32(
      [rows.length],
      rows.map((row) => packed.labels[row]),
    ),
    xt: f32(pixelShape, xt),
    eps: f32(pixelShape, eps),
    t: f32([N], targets.t),
    weight: f32([N], targets.weight),
  }
}

/** Writes the batches of the first steps; returns the file's path. */
export async function exportBatches(
  model,
  steps,
  folder,
  { documents = readyDocuments(model), settings = trainingSettings } = {},
) {
  const options = transfusionTrainingSchema.parse(settings)
  const maker = new BatchMaker(documents(), model, options)
  const tensors = new Map()
  for (let step = 0; step < steps; step++) {
    const { microBatches } = await maker.make(step)
    for (const [name, tensor] of Object.entries(await tensorsOf(microBatches[0], model.network.config.image)))
      tensors.set(`${step}.${name}`, tensor)
  }
  const path = join(folder, 'batches.safetensors')
  await writeSafetensors(path, tensors)
  return path
}

/** A model's sizes, none left to a default, for bench/peers/model.py. */
export const exportConfig = ({ network: { config } }) => ({ ...config, feedForward: feedForwardOf(config) })
