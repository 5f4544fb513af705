import { afterEach, beforeEach, expect, test } from 'vitest'
import { matmul } from '../../lib/ops/matmul.js'
import { fence, memory, setMemoryLimit, trimMemory } from '../../lib/tensor/device.js'
import { empty, full, type Tensor } from '../../lib/tensor/tensor.js'

const mebibyte = 1 << 20
const ofMebibytes = (count: number) => empty([(count * mebibyte) / 4])
const original = memory().limit

beforeEach(async () => {
  trimMemory()
  await fence()
})
afterEach(() => setMemoryLimit(original))

/** A limit that leaves room for this much more. */
const leave = (count: number) => setMemoryLimit(memory().live + count * mebibyte)

test('the limit is most of the machine’s memory at first', () => {
  expect(original).toBeGreaterThan(256 * mebibyte)
})

test('beyond the limit an op throws, named with bytes asked, live, cached and the limit, and again works after a free', async () => {
  const x = full([1024, 1024], 1)
  const held = ofMebibytes(4)
  leave(2)
  const numbers = '4\\.0 MiB asked, \\d+\\.\\d MiB live, \\d+\\.\\d MiB cached, the limit is \\d+\\.\\d MiB'
  expect(() => matmul(x, x)).toThrow(RangeError)
  expect(() => matmul(x, x)).toThrow(new RegExp(`^matmul: out of memory: ${numbers}$`))
  held.free()
  using y = matmul(x, x)
  expect((await y.read())[0]).toBe(1024)
  x.free()
})

test('cached blocks make way for others', async () => {
  leave(16)
  for (let count = 0; count < 5; count++) ofMebibytes(1 + count).free()
  const { live } = memory()
  using large = ofMebibytes(15)
  expect(large.bytes).toBe(15 * mebibyte)
  expect(memory().live + memory().cached).toBeLessThanOrEqual(memory().limit)
  expect(memory().live).toBe(live + large.bytes)
  await fence()
})

test('a cached block is used again, and not beyond a limit that was lowered since', () => {
  ofMebibytes(8).free()
  const { cached } = memory()
  ofMebibytes(8).free()
  expect(memory().cached).toBe(cached)
  leave(4)
  expect(() => ofMebibytes(8)).toThrow(RangeError)
})

test('trimming gives cached memory back, and peak remembers', async () => {
  const tensors: Tensor[] = [ofMebibytes(8), ofMebibytes(8)]
  const { live, peak } = memory()
  expect(peak).toBeGreaterThanOrEqual(live)
  tensors.forEach((tensor) => tensor.free())
  expect(memory()).toMatchObject({ live: live - 16 * mebibyte, peak })
  trimMemory()
  expect(memory().cached).toBe(0)
  await fence()
})
