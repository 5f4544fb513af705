// What is special to a GPU as a device: what it says of itself, memory, failures that it finds late, its times.
import { describe, expect, it, vi } from 'vitest'
import { add } from '../../lib/ops/add.js'
import { gatherRows } from '../../lib/ops/gather_rows.js'
import { scale } from '../../lib/ops/scale.js'
import { startProfile } from '../../lib/profiling/profile.js'
import {
  currentDevice,
  deviceInfo,
  devices,
  fence,
  memory,
  parseDevice,
  setMemoryLimit,
  trimMemory,
} from '../../lib/tensor/device.js'
import { empty, fromArray, full } from '../../lib/tensor/tensor.js'
import { runProgram } from './program.js'

describe('the device', () => {
  it('is the default one by TRANSFUSION_DEVICE', () => {
    expect(currentDevice()).toBe('cuda:0')
    using made = empty([1])
    expect(made.device).toBe('cuda:0')
    expect(devices()).toEqual(['cpu', 'cuda:0'])
    expect(() => parseDevice('cuda:1', 'f')).toThrow(
      `f: device must be 'cpu' or 'cuda:0', received "cuda:1": the NVIDIA driver shows 1 of them`,
    )
  })

  it('says what it is', () => {
    expect(deviceInfo()).toEqual({
      name: 'Simulated GPU (compute 8.0)',
      computeCapability: '8.0',
      multiprocessors: 108,
      memory: 40 * 2 ** 30,
      nativeBf16: true,
      driver: '12.0',
      kernels: 'PTX',
      build: expect.stringMatching(/^[0-9a-f]{16}$/),
      cublaslt: '',
      cublasltPlace: "with another driver than the system's, TRANSFUSION_CUBLASLT must name it",
    })
  })
})

describe('its memory', () => {
  it('is limited, and given back', async () => {
    const { limit } = memory()
    expect(limit).toBeGreaterThan(30 * 2 ** 30)
    expect(limit).toBeLessThan(40 * 2 ** 30)
    using _ = full([1000], 1)
    full([2000], 1).free()
    await fence()
    expect(memory().limit).toBe(limit)
    // The fence itself may be counted until it has answered.
    await vi.waitFor(() => expect(memory().pending).toBe(0))
    expect(memory().cached).toBeGreaterThanOrEqual(8000)
    setMemoryLimit(2 ** 20)
    expect(() => empty([2 ** 20])).toThrow(/^out of memory: 4\.0 MiB asked/)
    setMemoryLimit(limit)
    trimMemory()
    await fence()
    expect(memory().cached).toBe(0)
  })

  it('is enough for scratch that fits, though not for twice what there was', async () => {
    const { stdout, stderr } = await runProgram(
      `native.set_memory_limit(2 ** 40, 1)
       const x = native.create(1, [4096, 1], 1), rows = native.create(2, [4096], 1)
       // Scratch of 4 bytes a row.
       for (const count of [10e6, 12e6]) {
         const y = native.create(1, [count, 1], 1)
         native.write_rows(y, x, rows)
         native.read(y).then(() => console.log('written'), ({ message }) => console.log(message))
       }`,
      { env: { TRANSFUSION_SIMULATOR_MEMORY: String(150e6), TRANSFUSION_SIMULATOR_RUN: '0' } },
    )
    expect({ stdout, stderr }).toEqual({ stdout: 'written\nwritten\n', stderr: '' })
  })

  it('counts what kernels hold besides tensors', async () => {
    const { stdout, stderr } = await runProgram(
      `const x = native.create(1, [4096, 1], 1), rows = native.create(2, [4096], 1)
       const y = native.create(1, [2e6, 1], 1)
       // Scratch of 4 bytes a row.
       const write = async () => {
         native.fill(y, 1)
         native.write_rows(y, x, rows)
         return native.read(y).then(() => 'written', ({ message }) => message)
       }
       const memory = () => native.memory(1)
       const say = (...values) => console.log(...values)
       const check = async () => {
         say(memory().scratch, await write(), memory().scratch, memory().peak - memory().live)
         // What they hold makes way for a tensor, which then leaves no room for them.
         native.set_memory_limit(memory().live + 2 ** 23, 1)
         const large = native.create(0, [2 ** 20], 1)
         say(memory().scratch, await write(), memory().scratch)
         try { native.create(0, [2 ** 21], 1) } catch ({ message }) { say(message) }
         native.release(large)
         say(await write(), memory().scratch, memory().cached)
         try { native.create(0, [2 ** 21 + 1], 1) } catch ({ message }) { say(message) }
         native.trim_memory(1)
         await native.fence(1)
         say(memory().scratch)
       }
       check()`,
      { env: { TRANSFUSION_SIMULATOR_RUN: '0' } },
    )
    const live = '\\d+\\.\\d MiB live'
    const limit = 'MiB cached, the limit is \\d+\\.\\d MiB'
    expect(stderr).toBe('')
    expect(stdout.trimEnd().split('\n')).toEqual([
      '0 written 8000000 8000000',
      expect.stringMatching(`^0 write_rows: out of memory: 7\\.6 MiB asked, ${live}, 0\\.0 ${limit} 0$`),
      expect.stringMatching(`^out of memory: 8\\.0 MiB asked, ${live}, 0\\.0 ${limit}$`),
      'written 8000000 0',
      expect.stringMatching(`^out of memory: 8\\.0 MiB asked, ${live}, 0\\.0 ${limit}$`),
      '0',
    ])
  })

  it('takes uploads of any size through a little pinned memory', async () => {
    const { stdout, stderr } = await runProgram(
      `const count = 12e6 + 1, piece = 2 ** 21, size = 1000
       const x = native.create(2, [count], 1)
       native.upload(x, Int32Array.from({ length: count }, (_, i) => i * 7))
       const check = async () => {
         // What is read stays pinned: a little, where two pieces meet and at both ends.
         const begins = [0, ...[1, 2, 3, 4, 5].map((i) => i * piece - size / 2), count - size]
         for (const begin of begins) {
           const read = new Int32Array(await native.read(native.view(x, begin, 2, [size])))
           if (!read.every((value, i) => value === 7 * (begin + i))) console.log('wrong', begin)
         }
         await native.read(x).catch(({ message }) => console.log(message))
       }
       check()`,
      { env: { TRANSFUSION_SIMULATOR_PINNED: String(44 * 2 ** 20) } },
    )
    expect({ stdout, stderr }).toEqual({
      stdout: 'read: no memory for a copy of the tensor\n',
      stderr: '',
    })
  })

  it('is refused by the driver where the limit is above what there is', async () => {
    const { stdout } = await runProgram(
      `native.set_memory_limit(2 ** 40, 1)
       const x = made(20 * 2 ** 16)
       native.release(x)
       native.release(made(12 * 2 ** 16))
       // Fits once what was released is gone.
       made(28 * 2 ** 16)
       try { native.create(0, [2 ** 30], 1) } catch ({ message }) { console.log(message) }`,
      { env: { TRANSFUSION_SIMULATOR_MEMORY: String(2 ** 23) } },
    )
    expect(stdout).toBe('out of memory: the system refused 4294967296 bytes\n')
  })

  it.each(['0', '1'])('moves blocks of any size, with pools: %s', async (pools) => {
    const { stdout, stderr } = await runProgram(
      `const check = async () => {
         for (let round = 0; round < 3; round++)
           for (const length of [1, 63, 64, 65, 20_000, 300_000]) {
             const values = Float32Array.from({ length }, (_, i) => i + round)
             const x = native.create(0, [length], 1)
             native.upload(x, values)
             const read = new Float32Array(await native.read(x))
             native.release(x)
             if (round === 1) native.trim_memory(1)
             if (!read.every((value, i) => value === values[i])) console.log('wrong', length)
           }
         console.log('right')
       }
       check()`,
      { env: { TRANSFUSION_SIMULATOR_POOLS: pools } },
    )
    expect({ stdout, stderr }).toEqual({ stdout: 'right\n', stderr: '' })
  })
})

describe('what it finds wrong', () => {
  const table = fromArray(Float32Array.of(1, 2, 3, 4), [2, 2])
  const rows = (...values: number[]) => fromArray(Int32Array.from(values))

  it('is told by what depends on it, after later calls were launched', async () => {
    const bad = gatherRows(table, rows(0, 2, 1, 5))
    const next = scale(bad, 2)
    const fine = gatherRows(table, rows(1, -1))
    const message = 'gather_rows: rows[1] must be -1 or in 0..1, received 2'
    await expect(bad.read()).rejects.toThrow(message)
    await expect(next.read()).rejects.toThrow(message)
    expect(await fine.read()).toEqual(Float32Array.of(3, 4, 0, 0))
    expect(await table.read()).toEqual(Float32Array.of(1, 2, 3, 4))
  })

  it('is kept apart for each of many calls', async () => {
    const results = Array.from({ length: 600 }, (_, i) => gatherRows(table, rows(i % 3)).read())
    for (const [i, result] of (await Promise.allSettled(results)).entries())
      expect(result.status).toBe(i % 3 === 2 ? 'rejected' : 'fulfilled')
  })
})

it('is one of two, which are kept apart', async () => {
  const { stdout, stderr } = await runProgram(
    `native.open_device(2)
     const on = (device) => { const x = native.create(0, [3], device); native.fill(x, device); return x }
     const [one, two] = [on(1), on(2)]
     for (const [x, device] of [[one, 1], [two, 2]]) native.add(x, x, on(device))
     try { native.add(one, one, two) } catch ({ message }) { console.log(message) }
     Promise.all([one, two].map((x) => native.read(x))).then((all) => {
       console.log(all.map((bytes) => new Float32Array(bytes).join()).join(' '))
       console.log(native.memory(1).tensors, native.memory(2).tensors)
     })`,
    { env: { TRANSFUSION_SIMULATOR_DEVICES: '2' } },
  )
  expect({ stdout, stderr }).toEqual({
    stdout: 'add: b must lie on cuda:0, as y does, received a tensor on cuda:1\n2,2,2 4,4,4\n2 2\n',
    stderr: '',
  })
})

it('profiles by its own times', async () => {
  const x = full([4096], 1)
  await fence()
  const profile = startProfile({ spans: 100 })
  const before = performance.now()
  for (let i = 0; i < 5; i++) add(x, x)
  await fence()
  const { kernels, busy, idle, time, spans } = await profile.stop()
  const passed = performance.now() - before
  expect(kernels).toMatchObject([{ name: 'add', calls: 5 }])
  expect(busy).toBeGreaterThan(0)
  expect(busy + idle).toBeLessThanOrEqual(time)
  expect(time).toBeLessThanOrEqual(passed + 1)
  expect([...spans]).toHaveLength(5)
})
