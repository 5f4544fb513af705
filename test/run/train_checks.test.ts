import { afterEach, expect, it } from 'vitest'
import { leastMemory } from '../../lib/models/transfusion/run/least_memory.js'
import { checkNewModel } from '../../lib/run/train_checks.js'
import { modelOptions } from '../../lib/models/transfusion/model_options.js'
import { generativeTrainConfigSchema } from '../../lib/run/generative/config.js'
import { paperImages, paperVocabulary } from '../../lib/models/transfusion/presets.js'
import { transfusionParameters } from '../../lib/models/transfusion/model.js'
import { elementsOf } from '../../lib/tensor/shape.js'
import { transfusionConfigSchema } from '../../lib/models/transfusion/config.js'
import { memory, setMemoryLimit } from '../../lib/tensor/device.js'

const { limit } = memory()
afterEach(() => setMemoryLimit(limit))

const config = (model: object, training: object = {}, more: object = {}) =>
  generativeTrainConfigSchema.parse({
    data: { type: 'folder', path: 'pictures' },
    model: { image: { channels: 3, patch: 4, height: 32, width: 32 }, ...model },
    training: { steps: 10, ...training },
    ...more,
  })

const leastOf = (preset: string, training: object = {}, more: object = {}) => {
  const written = config({ preset, image: paperImages }, training, more)
  const sizes = { ...modelOptions(written.model), ...paperVocabulary }
  return leastMemory(transfusionConfigSchema.parse(sizes), written, 256)
}

it('counts what the weights and the inputs of the blocks take', () => {
  const { parameters, weights, batch } = leastOf('7B', { batchSize: 4 })
  expect(parameters).toBe(6_755_610_688)
  // Weights, gradients and two moments in f32.
  expect(weights).toBe(parameters * 16)
  expect(batch).toBe(4 * 256 * 4096 * 32 * 4)
  const others = { gradientAccumulation: 2, batchSize: 4, ema: 0.99, optimizer: { type: 'muon' } }
  expect(leastOf('7B', others, { precision: 'bf16' })).toEqual({
    parameters,
    weights: parameters * 18,
    batch: 2 * 256 * 4096 * 32 * 2,
  })
  expect(leastOf('7B', { batchTokens: 4096 }).batch).toBe(0)
  // What is frozen has its values alone, and keeps no input for a backward pass that does not come there.
  const frozen = leastOf('7B', { batchSize: 4, freeze: ['embedding.*', 'patch_encoder.*', 'layers.*'] })
  const trained = transfusionParameters({
    ...modelOptions(config({ preset: '7B', image: paperImages }).model),
    ...paperVocabulary,
  })
    .filter(({ name }) => /^(norm|output|patch_decoder)\./.test(name))
    .reduce((sum, { shape }) => sum + elementsOf(shape), 0)
  expect(frozen.weights).toBe((parameters - trained) * 4 + trained * 16)
  expect(frozen.batch).toBe(0)
  // With low-rank updates the factors alone are trained: of queries, keys, values and output.
  const lora = { rank: 4, targets: ['layers.0.attention.qkv', 'layers.0.attention.output'] }
  const adapted = leastOf('7B', { batchSize: 4, freeze: ['*'], lora })
  const factors = 4 * 4 * (4096 + 4096)
  expect(adapted.parameters).toBe(parameters + factors)
  expect(adapted.weights).toBe(parameters * 4 + factors * 16)
})

it('refuses a model and a batch that memory cannot hold, before they are made', async () => {
  setMemoryLimit(1e9)
  await expect(checkNewModel(config({ preset: '0.16B' }), 'a.json')).rejects.toThrow(
    /^a\.json: model: 113,[\d,]+ parameters take 1\.82 GB with their gradients and the optimizer's state, of a memory limit of 1 GB; take a smaller preset/,
  )
  const image = { channels: 3, patch: 4, height: 4096, width: 4096 }
  await expect(checkNewModel(config({ image }), 'a.json')).rejects.toThrow(
    /^a\.json: training\.batchSize: images of 1,048,576 patches each take at least 137 GB in a step/,
  )
  await checkNewModel(config({}), 'a.json')
  await expect(checkNewModel(config({}, { freeze: ['layer.*'] }), 'a.json')).rejects.toThrow(
    /^a\.json: training\.freeze: no parameter is "layer\.\*"; /,
  )
})
