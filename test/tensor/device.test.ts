import { describe, expect, test } from 'vitest'
import { TransfusionNetwork } from '../../lib/models/transfusion/model.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { type Device, parseDevice, withDevice } from '../../lib/tensor/device.js'
import { empty, fromArray, full, zeros } from '../../lib/tensor/tensor.js'
import { Transfusion } from '../../lib/transfusion.js'
import { tinyConfig } from '../models/transfusion/tiny_model.js'

const noCuda = /: device must be 'cpu', received "cuda(:\d+)?": this build has no CUDA backend$/

describe('a device', () => {
  test("is 'cpu'", () => {
    expect(parseDevice('cpu', 'f')).toBe('cpu')
  })

  test.each(['cuda', 'cuda:0', 'cuda:12'])('of CUDA is refused by name: %s', (name) => {
    expect(() => parseDevice(name, 'f')).toThrow(
      `f: device must be 'cpu', received "${name}": this build has no CUDA backend`,
    )
  })

  test.each([
    ['gpu', '"gpu"'],
    ['CPU', '"CPU"'],
    ['cuda:', '"cuda:"'],
    ['cuda:01', '"cuda:01"'],
    ['cuda:-1', '"cuda:-1"'],
    ['cuda:1 ', '"cuda:1 "'],
    [0, '0'],
    [null, 'null'],
    [undefined, 'nothing'],
  ])('is none: %s', (name, shown) => {
    expect(() => parseDevice(name, 'Transfusion.load')).toThrow(
      `Transfusion.load: device must be 'cpu', 'cuda' or 'cuda:N', received ${shown}`,
    )
  })
})

describe('a tensor', () => {
  test('lies on a device, and so do its views', () => {
    for (const tensor of [
      empty([2]),
      zeros([2], 'f32', 'cpu'),
      full([2], 1, 'bf16', 'cpu'),
      fromArray(Int32Array.of(1), [1], 'i32', 'cpu'),
      zeros([2]).view([2, 1]),
    ])
      expect(tensor.device).toBe('cpu')
  })

  test.each<[string, (device: Device) => unknown]>([
    ['empty', (device) => empty([2], 'f32', device)],
    ['zeros', (device) => zeros([2], 'f32', device)],
    ['full', (device) => full([2], 1, 'f32', device)],
    ['fromArray', (device) => fromArray(Float32Array.of(1), [1], 'f32', device)],
    ['withDevice', (device) => withDevice(device, () => 1)],
    ['ParameterArena', (device) => new ParameterArena([], 'f32', device)],
    ['TransfusionNetwork', (device) => new TransfusionNetwork(tinyConfig, 'f32', device)],
  ])('is refused where there is no such device: %s', (_, make) => {
    expect(() => make('cuda')).toThrow(noCuda)
    expect(() => make('cuda:1')).toThrow(noCuda)
    expect(() => make('tpu' as Device)).toThrow(/: device must be 'cpu', 'cuda' or 'cuda:N', received "tpu"/)
  })

  test('is made on the default device again once a body has thrown', () => {
    expect(() => withDevice('cpu', () => expect.fail('on purpose'))).toThrow('on purpose')
    expect(empty([1]).device).toBe('cpu')
  })
})

describe('a model', () => {
  test.each<[string, (device: Device) => Promise<unknown>]>([
    ['load', (device) => Transfusion.load('nowhere', { device })],
    ['fromLlama', (device) => Transfusion.fromLlama('nowhere', { image: tinyConfig.image, device })],
    ['initializeFrom', (device) => Transfusion.initializeFrom('nowhere', { device })],
  ])('is refused a device that is not there before a file is read: %s', async (_, make) => {
    await expect(make('cuda')).rejects.toThrow(noCuda)
  })
})
