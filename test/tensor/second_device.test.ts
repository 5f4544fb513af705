// A model on a second device: the addon is wrapped so that there is one, whose tensors lie on the CPU but are kept apart
// as the addon keeps those of two devices, and refused together.
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Handle } from '../../lib/kernels.generated.js'
import { generateImages } from '../../lib/generation/generate_images.js'
import { documentLikelihoods } from '../../lib/evaluation/text/likelihood.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import type { DeviceName, DeviceNumber } from '../../lib/native_types.js'
import { memory, withDevice } from '../../lib/tensor/device.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { add } from '../../lib/ops/add.js'
import { matmul } from '../../lib/ops/matmul.js'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { sum } from '../../lib/ops/reduce.js'
import { Transfusion } from '../../lib/transfusion.js'
import { temporaryFolder } from '../temporary_folder.js'
import { dataset, tokenizer, trainedConfig, trainingOptions } from '../training/synthetic_dataset.js'

/** Tensors by their devices, since the test began. */
const made = vi.hoisted(() => ({ count: new Map<number, number>(), devices: new Map<number, number>() }))

vi.mock('../../lib/native.js', async (original) => {
  const { native } = await original<typeof import('../../lib/native.js')>()
  type Call = (...values: unknown[]) => unknown
  const wrapped: Record<string, unknown> = { ...native }
  const names: readonly DeviceName[] = ['cpu', 'cuda:0']
  wrapped['devices'] = () => names.map((name) => ({ name, refusal: '' }))
  wrapped['open_device'] = () => {}
  const put = (handle: Handle, device: number) => {
    made.devices.set(handle, device)
    return handle
  }
  wrapped['create'] = (dtype: number, shape: readonly number[], device: DeviceNumber = 0) => {
    made.count.set(device, (made.count.get(device) ?? 0) + 1)
    return put(native.create(dtype, shape), device)
  }
  wrapped['view'] = (of: Handle, ...rest: [number, number, readonly number[]]) =>
    put(native.view(of, ...rest), made.devices.get(of)!)
  for (const [, name] of native.contract.matchAll(/^(\w+) /gm)) {
    const kernel = native[name as 'add'] as Call
    wrapped[name!] = (...values: unknown[]) => {
      const places = new Set(values.flat().map((value) => made.devices.get(value as Handle)))
      places.delete(undefined)
      if (places.size > 1) throw new Error(`${name}: tensors of devices ${[...places].join(' and ')}`)
      return kernel(...values)
    }
  }
  for (const name of ['fence', 'memory', 'trim_memory', 'device_info'] as const) {
    const call = native[name] as Call
    wrapped[name] = () => call(0)
  }
  return { native: wrapped }
})

beforeEach(() => made.count.clear())

const onlyOn = (device: number) => expect([...made.count.keys()]).toEqual([device])

describe('ops', () => {
  test('make outputs and gradients where their inputs lie', async () => {
    const a = fromArray(Float32Array.of(1, 2, 3, 4), [2, 2], 'f32', 'cuda:0')
    const gradient = trackGradient(a)
    const y = matmul(add(a, a), a)
    backward(sum(y))
    for (const tensor of [y, gradient, a.view([4])]) expect(tensor.device).toBe('cuda:0')
    expect(`${y}`).toBe('a tensor of f32 [2, 2] on cuda:0')
    expect(await y.read()).toEqual(Float32Array.of(14, 20, 30, 44))
    onlyOn(1)
  })

  test('are refused tensors of two devices', () => {
    const [x, y] = [zeros([2]), zeros([2], 'f32', 'cuda')]
    expect(y.device).toBe('cuda:0')
    expect(() => add(x, y)).toThrow('add: tensors of devices 0 and 1')
  })
})

test('withDevice is the default of what is made in its body', () => {
  const inside = withDevice('cuda', () => [
    zeros([1]),
    fromArray(Int32Array.of(1)),
    withDevice('cpu', () => zeros([1])),
  ])
  expect(inside.map(({ device }) => device)).toEqual(['cuda:0', 'cuda:0', 'cpu'])
  expect(zeros([1]).device).toBe('cpu')
})

describe('a model on a second device', () => {
  const train = async (device: 'cpu' | 'cuda', optimizer: object = {}) => {
    const { vocabulary: _, tokens: __, ...sizes } = trainedConfig
    const model = Transfusion.create(sizes, tokenizer, { seed: 1, device })
    const losses: number[] = []
    using trainer = new Trainer(model, dataset, { ...trainingOptions(3, 4), ...optimizer })
    await trainer.run({ onStep: ({ terms }) => losses.push(...Object.values(terms)) })
    expect(trainer.device).toBe(model.device)
    return { model, losses }
  }

  test.each([
    ['AdamW', {}],
    ['Muon', { optimizer: { type: 'muon' } }],
  ])('is trained there as on the first: %s', async (_, optimizer) => {
    const first = await train('cpu', optimizer)
    onlyOn(0)
    made.count.clear()
    const second = await train('cuda', optimizer)
    expect(second.model.device).toBe('cuda:0')
    expect(second.losses).toEqual(first.losses)
    onlyOn(1)
  })

  test('generates, is measured, saved and loaded there', async () => {
    const { model } = await train('cuda')
    const folder = join(await temporaryFolder(), 'model')
    await model.save(folder)
    const loaded = await Transfusion.load(folder, { device: 'cuda:0' })
    expect(loaded.device).toBe('cuda:0')
    const cpu = await Transfusion.load(folder)
    const outputs = async (model: Transfusion) => {
      made.count.clear()
      const images = await generateImages(model, ['a slope'], [1], { steps: 2 })
      const texts = await model.completeTexts(['bars'], 4)
      const parts = [{ type: 'text', ids: await tokenizer.encode('a slope') }] as const
      const likelihoods = []
      for await (const likelihood of documentLikelihoods(model.network, [{ parts }]))
        likelihoods.push(likelihood)
      onlyOn(model.device === 'cpu' ? 0 : 1)
      return { images, texts, likelihoods }
    }
    expect(await outputs(loaded)).toEqual(await outputs(cpu))
    expect(memory('cuda').limit).toBe(memory('cpu').limit)
  })
})
