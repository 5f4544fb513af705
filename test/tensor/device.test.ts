import { afterEach, describe, expect, test, vi } from 'vitest'
import { TransfusionNetwork } from '../../lib/models/transfusion/model.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { native } from '../../lib/native.js'
import { startProfile } from '../../lib/profiling/profile.js'
import {
  type Device,
  deviceInfo,
  devices,
  fence,
  memory,
  parseDevice,
  setMemoryLimit,
  trimMemory,
  withDevice,
} from '../../lib/tensor/device.js'
import { empty, fromArray, full, zeros } from '../../lib/tensor/tensor.js'
import { Transfusion } from '../../lib/transfusion.js'
import { tinyConfig } from '../models/transfusion/tiny_model.js'

const noCuda = /: device must be 'cpu', received "cuda(:\d+)?": this build has no CUDA backend: /

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

describe('TRANSFUSION_DEVICE', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.resetModules()
  })

  const defaultOf = async (name: string) => {
    vi.stubEnv('TRANSFUSION_DEVICE', name)
    vi.resetModules()
    const { currentDevice } = await import('../../lib/tensor/device.js')
    return currentDevice()
  }

  test.each(['', 'cpu'])('is the default device: "%s"', async (name) => {
    expect(await defaultOf(name)).toBe('cpu')
  })

  test.each([
    ['gpu', `TRANSFUSION_DEVICE: device must be 'cpu', 'cuda' or 'cuda:N', received "gpu"`],
    ['cuda', `TRANSFUSION_DEVICE: device must be 'cpu', received "cuda": this build has no CUDA backend: `],
  ])('is refused by name: %s', async (name, message) => {
    await expect(defaultOf(name)).rejects.toThrow(message)
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

  test('is refused a body that goes on after it has returned', () => {
    expect(() => withDevice('cpu', async () => zeros([1]))).toThrow(
      'withDevice: body must be synchronous, received one that returned a promise',
    )
    expect(() => withDevice('cpu', undefined as never)).toThrow('withDevice: body must be a function')
  })

  test('is made on the default device again once a body has thrown', () => {
    expect(() => withDevice('cpu', () => expect.fail('on purpose'))).toThrow('on purpose')
    expect(empty([1]).device).toBe('cpu')
  })
})

describe('a model', () => {
  test.each<[string, (device: Device) => Promise<unknown>]>([
    ['load', (device) => Transfusion.load('nowhere', { device })],
    [
      'fromPretrained',
      (device) => Transfusion.fromPretrained('nowhere', { image: tinyConfig.image, device }),
    ],
    ['initializeFrom', (device) => Transfusion.initializeFrom('nowhere', { device })],
  ])('is refused a device that is not there before a file is read: %s', async (_, make) => {
    await expect(make('cuda')).rejects.toThrow(noCuda)
  })
})

describe('what is asked of a device', () => {
  test('is asked of the CPU where none is named', async () => {
    expect(devices()).toEqual(['cpu'])
    expect(deviceInfo('cpu')).toEqual(deviceInfo())
    const { limit } = memory('cpu')
    expect(limit).toBe(memory().limit)
    setMemoryLimit(2 ** 28, 'cpu')
    expect(memory().limit).toBe(2 ** 28)
    setMemoryLimit(limit)
    expect(memory('cpu').limit).toBe(limit)
    trimMemory('cpu')
    expect(memory().cached).toBe(0)
    await fence('cpu')
    const { tensors } = memory('cpu')
    using made = empty([1])
    expect(made.freed).toBe(false)
    expect(memory().tensors).toBe(tensors + 1)
  })

  test.each<[string, (device: Device) => unknown]>([
    ['memory', memory],
    ['setMemoryLimit', (device) => setMemoryLimit(2 ** 28, device)],
    ['trimMemory', trimMemory],
    ['fence', fence],
    ['deviceInfo', deviceInfo],
    ['startProfile', (device) => startProfile({ device })],
  ])('is refused where there is no such device: %s', (callee, call) => {
    expect(() => call('cuda:1')).toThrow(
      `${callee}: device must be 'cpu', received "cuda:1": this build has no CUDA backend`,
    )
  })

  test('is refused by the addon for a number that is none', () => {
    for (const number of [-1, 1, 0.5, NaN])
      expect(() => native.create(0, [1], number)).toThrow(
        `create: device must be the number of a device, received ${number}`,
      )
  })
})

describe('a kernel call', () => {
  test('names the argument that is none', () => {
    using x = empty([2])
    const call = (native.add as (...handles: unknown[]) => void).bind(native)
    expect(() => call(x.handle, x.handle, 'b')).toThrow('add: b must be a tensor, received a string')
    expect(() => call(x.handle)).toThrow('add: a must be a tensor, received undefined')
    const concat = (native.concat as (...handles: unknown[]) => void).bind(native)
    expect(() => concat(x.handle, 3)).toThrow('concat: xs must be an array of tensors, received 3')
  })
})
