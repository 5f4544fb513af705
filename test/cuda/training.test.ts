import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ImageWeights } from '../../lib/models/transfusion/config.js'
import { loadModel, type ModelParts, saveModel } from '../../lib/models/transfusion/io/folder.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { generate } from '../../lib/generation/generate.js'
import { type Device, memory } from '../../lib/tensor/device.js'
import { temporaryFolder } from '../temporary_folder.js'
import { dataset } from '../training/synthetic_dataset.js'
import { settings, tinyConfig, tinyTraining } from './tiny_training.js'

const configWith = (weights: ImageWeights = 'shared') => ({
  ...tinyConfig,
  image: { ...tinyConfig.image, weights },
})

/** The greatest difference, as a share of the greatest value. */
function distance(a: Float32Array, b: Float32Array): number {
  let [difference, greatest] = [0, 0]
  for (const [i, value] of a.entries()) {
    difference = Math.max(difference, Math.abs(value - b[i]!))
    greatest = Math.max(greatest, Math.abs(value))
  }
  return difference / greatest
}

async function sample(model: ModelParts) {
  const result = { text: '', pixels: [] as number[] }
  for await (const event of generate(model, 'bars', { maxTokens: 6, maxImages: 1, steps: 3, guidance: 2 })) {
    if (event.type === 'text') result.text += event.text
    if (event.type === 'image') result.pixels.push(...event.image.data)
  }
  return result
}

describe('a model trained on the GPU', () => {
  it.each<[string, Partial<TransfusionTrainingSettings>, 'f32' | 'bf16', ImageWeights?]>([
    ['AdamW, an average', {}, 'f32'],
    ['recomputing, in parts', { recompute: true, gradientAccumulation: 3 }, 'f32'],
    ['Muon', { optimizer: { type: 'muon' } }, 'f32'],
    ['bf16', {}, 'bf16'],
    ['images with a feed-forward of their own', {}, 'bf16', 'feed-forward'],
    ['images with all weights of their own', { recompute: true }, 'f32', 'all'],
  ])(
    'has the weights of the CPU, to rounding, and resumes bit for bit: %s',
    async (_, more, compute, imageWeights) => {
      const { tensors } = memory('cuda')
      const folder = await temporaryFolder()
      {
        const trainingOn = (device: Device) =>
          tinyTraining(settings(3, more), device, compute, dataset, configWith(imageWeights))
        using onCpu = trainingOn('cpu')
        using onGpu = trainingOn('cuda')
        await onCpu.trainer.run()
        await onGpu.trainer.run({
          every: {
            steps: 1,
            run: async (step) => void (step === 1 && (await onGpu.trainer.save(join(folder, 'one')))),
          },
        })
        const weights = await onGpu.weights()
        // AdamW's first steps are signs of gradients: where one is nearly 0, rounding decides.
        expect(distance(await onCpu.weights(), weights)).toBeLessThan(compute === 'f32' ? 1e-3 : 3e-2)
        using resumed = trainingOn('cuda')
        await resumed.trainer.restore(join(folder, 'one'))
        await resumed.trainer.run()
        expect(await resumed.weights()).toEqual(weights)
      }
      expect(memory('cuda').tensors).toBe(tensors)
    },
  )

  it('is saved, loaded on the CPU, and writes the same text there and nearly the same image', async () => {
    const folder = join(await temporaryFolder(), 'model')
    using training = tinyTraining(settings(4))
    await training.trainer.run()
    await saveModel(folder, training.model)
    const there = await loadModel(folder, { device: 'cpu' })
    using _ = there.network
    expect(await there.network.arena.values.readFloats()).toEqual(await training.weights())
    const [gpu, cpu] = [await sample(training.model), await sample(there)]
    expect(gpu.text).toBe(cpu.text)
    expect(gpu.pixels.length).toBe(cpu.pixels.length)
    for (const [i, pixel] of gpu.pixels.entries()) expect(Math.abs(pixel - cpu.pixels[i]!)).toBeLessThan(3)
  })
})
