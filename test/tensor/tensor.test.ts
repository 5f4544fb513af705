import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { add } from '../../lib/ops/add.js'
import { reshape } from '../../lib/ops/reshape.js'
import { softmax } from '../../lib/ops/softmax.js'
import { memory, setMemoryLimit } from '../../lib/tensor/device.js'
import { keep, scope } from '../../lib/tensor/scope.js'
import { native } from '../../lib/native.js'
import { empty, fromArray, full, type Tensor, zeros } from '../../lib/tensor/tensor.js'

describe('values', () => {
  test('of f32 and i32 come back bit by bit', async () => {
    const floats = Float32Array.of(0, -0, 1e-45, -3.4e38, Infinity, 0.1)
    const integers = Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0, 7)
    expect(await fromArray(floats).read()).toEqual(floats)
    expect(await fromArray(integers).readInts()).toEqual(integers)
    expect(Number.isNaN((await fromArray(Float32Array.of(NaN)).readFloats())[0])).toBe(true)
  })

  test.each([
    ['a tie goes to the even neighbour, down', 1 + 2 ** -8, 0x3f80],
    ['a tie goes to the even neighbour, up', 1 + 3 * 2 ** -8, 0x3f82],
    ['just above a tie goes up', 1 + 2 ** -8 + 2 ** -20, 0x3f81],
    ['negative zero stays', -0, 0x8000],
    ['infinity stays', -Infinity, 0xff80],
    ['the largest f32 becomes infinite', 3.4028234663852886e38, 0x7f80],
    ['subnormal', 2 ** -133, 0x0001],
  ])('are rounded to bf16: %s', async (_, value, bits) => {
    expect(await fromArray(Float32Array.of(value), [1], 'bf16').readBits()).toEqual(Uint16Array.of(bits))
  })

  test('of bf16 are taken as bits too, and read widened', async () => {
    const bits = Uint16Array.of(0x3f80, 0xc040, 0x0001, 0x7f80)
    const tensor = fromArray(bits, [2, 2])
    expect(tensor.dtype).toBe('bf16')
    expect(await tensor.readBits()).toEqual(bits)
    expect(await tensor.read()).toEqual(Float32Array.of(1, -3, 2 ** -133, Infinity))
  })

  test('are copied before a call returns', async () => {
    const source = Float32Array.of(1, 2, 3)
    const tensor = fromArray(source.subarray(1))
    source.fill(9)
    const read = tensor.read()
    tensor.write(Float32Array.of(5, 6))
    tensor.free()
    expect(await read).toEqual(Float32Array.of(2, 3))
  })

  test('of empty tensors are none', async () => {
    expect(await zeros([0, 4]).read()).toEqual(new Float32Array(0))
    expect(await fromArray(new Int32Array(0)).read()).toEqual(new Int32Array(0))
  })

  test('fill f32 and bf16', async () => {
    expect(await full([2], 0.1).read()).toEqual(Float32Array.of(0.1, 0.1))
    expect(await full([2], 1.5, 'bf16').read()).toEqual(Float32Array.of(1.5, 1.5))
    // Past the caches, with a remainder.
    for (const [count, dtype] of [
      [2 ** 23 + 5, 'f32'],
      [2 ** 24 + 7, 'bf16'],
    ] as const)
      expect((await full([count], 2.5, dtype).readFloats()).every((value) => value === 2.5)).toBe(true)
    const whole = zeros([2 ** 23 + 9])
    native.fill(whole.view([2 ** 23 + 5], 3).handle, 2.5)
    const values = await whole.readFloats()
    expect(values.every((value, i) => value === (i >= 3 && i < 2 ** 23 + 8 ? 2.5 : 0))).toBe(true)
  })

  test.each<[Tensor, Float32Array | Int32Array | Uint16Array, string]>([
    [empty([2]), new Float32Array(3), 'a Float32Array of 3 cannot be written to a tensor of f32 [2]'],
    [empty([2]), new Int32Array(2), 'a Int32Array of 2 cannot be written to a tensor of f32 [2]'],
    [empty([2]), new Uint16Array(2), 'a Uint16Array of 2 cannot be written to a tensor of f32 [2]'],
    [empty([1], 'i32'), new Float32Array(1), 'a Float32Array of 1 cannot be written to a tensor of i32 [1]'],
  ])('of %s cannot be written from the wrong array', (tensor, data, message) => {
    expect(() => tensor.write(data)).toThrow(message)
  })

  test('are not read as another type', async () => {
    await expect(empty([1], 'i32').readFloats()).rejects.toThrow('holds integers')
    await expect(empty([1]).readInts()).rejects.toThrow('holds no integers')
    await expect(empty([1]).readBits()).rejects.toThrow('is not bf16')
  })
})

describe('shapes', () => {
  test('count axes from either end', () => {
    const tensor = empty([2, 3, 4])
    expect([tensor.size(0), tensor.size(-1), tensor.rank, tensor.elements, tensor.bytes]).toEqual([
      2, 4, 3, 24, 96,
    ])
    expect(() => tensor.size(3)).toThrow('a tensor of f32 [2, 3, 4] has no axis 3')
    expect(() => tensor.size(-4)).toThrow(RangeError)
  })

  test('have at most six axes of whole sizes', () => {
    expect(empty([1, 1, 1, 1, 1, 1]).elements).toBe(1)
    expect(() => empty([1, 1, 1, 1, 1, 1, 1])).toThrow('at most 6 axes')
    expect(() => empty([-2])).toThrow(TypeError)
    expect(() => empty([1.5])).toThrow(TypeError)
  })
})

describe('views', () => {
  test('share memory both ways and outlive what they were taken from', async () => {
    const tensor = fromArray(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3])
    const tail = tensor.view([2, -1], 2)
    const shaped = reshape(tensor, [3, 2])
    tail.write(Float32Array.of(30, 40, 50, 60))
    expect(await shaped.read()).toEqual(Float32Array.of(1, 2, 30, 40, 50, 60))
    shaped.write(new Float32Array(6))
    tensor.free()
    zeros([2, 3]).write(new Float32Array(6).fill(9))
    expect(await tail.view([1], 3).read()).toEqual(Float32Array.of(0))
  })

  test.each([
    [[7], 0],
    [[1], 6],
    [[1], -1],
    [[4, -1], 0],
  ])('of shape %j at %i cannot leave the tensor', (shape, offset) => {
    expect(() => zeros([2, 3]).view(shape, offset)).toThrow(RangeError)
  })
})

describe('a freed tensor', () => {
  test('names itself when it is used', async () => {
    const tensor = zeros([2, 3])
    tensor.free()
    tensor.free()
    expect(tensor.freed).toBe(true)
    expect(() => tensor.handle).toThrow('a tensor of f32 [2, 3] was used after it was freed')
    expect(() => tensor.write(new Float32Array(6))).toThrow('used after it was freed')
    expect(() => add(zeros([2, 3]), tensor)).toThrow(
      'add: b must be a live tensor, received a tensor of f32 [2, 3] that was freed',
    )
    await expect(tensor.read()).rejects.toThrow('used after it was freed')
  })

  test('is still used by ops that were queued before', async () => {
    const x = full([1000], 2)
    const y = add(x, x)
    x.free()
    full([1000], 7).free()
    expect(await y.read()).toEqual(new Float32Array(1000).fill(4))
  })

  test('came from `using`, also when the block throws', () => {
    const before = memory().tensors
    expect(() => {
      using tensor = zeros([2])
      throw new Error(`${tensor}`)
    }).toThrow('a tensor of f32 [2]')
    expect(memory().tensors).toBe(before)
  })
})

describe('scope', () => {
  test('frees all but what is returned or kept', () => {
    const made: Tensor[] = []
    const make = () => {
      const tensor = zeros([1])
      made.push(tensor)
      return tensor
    }
    scope(() => {
      make()
      keep(make())
      return { list: [make(), [make()]], other: 1, none: null }
    })
    expect(made.map((tensor) => tensor.freed)).toEqual([true, false, false, false])
    made.forEach((tensor) => tensor.free())
  })

  test('hands what is returned to the scope around it', () => {
    let inner!: Tensor
    let kept!: Tensor
    scope(() => {
      inner = scope(() => zeros([1]))
      kept = scope(() => keep(zeros([1])))
      expect(inner.freed).toBe(false)
    })
    expect([inner.freed, kept.freed]).toEqual([true, false])
    kept.free()
  })

  test('frees everything when its body throws or returns a promise, and is closed then', () => {
    const before = memory().tensors
    const failing = () => {
      zeros([1])
      throw new Error('from the body')
    }
    expect(() => scope(failing)).toThrow('from the body')
    expect(() => scope(async () => zeros([1]))).toThrow('scope: body must be synchronous')
    expect(memory().tensors).toBe(before)
    using outside = zeros([1])
    expect(outside.freed).toBe(false)
  })
})

describe('what is no shape, and no values', () => {
  const limit = memory().limit
  // What earlier tests left is live until it is collected.
  beforeAll(() => setMemoryLimit(memory().live + 2 ** 26))
  afterAll(() => setMemoryLimit(limit))

  it.each([
    [[-1], TypeError, 'shape must hold integers of at least 0, received [-1]'],
    [[2, 1.5], TypeError, 'shape must hold integers of at least 0, received [2, 1.5]'],
    [[NaN], TypeError, 'shape must hold integers of at least 0, received [NaN]'],
    [[Infinity], TypeError, 'shape must hold integers of at least 0, received [Infinity]'],
    [['3'], TypeError, 'shape must hold integers of at least 0, received [3]'],
    [[Symbol('x')], TypeError, 'shape must hold integers of at least 0, received [Symbol(x)]'],
    [[1, 1, 1, 1, 1, 1, 1], TypeError, 'shape must have at most 6 axes, received [1, 1, 1, 1, 1, 1, 1]'],
    ['abc', TypeError, 'shape must be an array, received abc'],
    [[2 ** 31], RangeError, 'out of memory: 8192.0 MiB asked'],
    [[2 ** 24, 2 ** 24], RangeError, 'out of memory: 1073741824.0 MiB asked'],
    [[2 ** 53], RangeError, 'shape must have a product of at most 2^48, received [9007199254740992]'],
    [[2 ** 32, 2 ** 32], RangeError, 'shape must have a product of at most 2^48'],
    // Kernels multiply some of the sizes.
    [[2 ** 32, 0, 2 ** 32], RangeError, 'shape must have a product of at most 2^48'],
  ])('refuses the shape 0', (shape, kind, message) => {
    for (const make of [() => zeros(shape as number[]), () => empty(shape as number[], 'i32')]) {
      expect(make).toThrow(kind)
      expect(make).toThrow(message)
    }
  })

  it('takes no time for rows without elements, however many', async () => {
    expect(await softmax(zeros([2 ** 40, 0])).read()).toEqual(new Float32Array(0))
  })

  it.each([NaN, 0.5, -1, 13, 2 ** 53])('refuses a view from %d on', (offset) => {
    expect(() => zeros([4, 4]).view([4], offset)).toThrow(`a view of shape [4] at ${offset} leaves`)
  })

  it('keeps its shape when the array that it was made from changes', () => {
    const shape = [2, 3]
    const tensor = zeros(shape)
    shape[0] = 1000
    expect(tensor.shape).toEqual([2, 3])
    expect(() => ((tensor.shape as number[])[0] = 1000)).toThrow(TypeError)
  })

  it('names what is no array of values, no shape and no dtype', () => {
    const none = undefined as unknown as Float32Array
    const accepted = 'data must be a Float32Array, an Int32Array, a Uint16Array or a Uint8Array'
    expect(() => fromArray(none)).toThrow(`fromArray: ${accepted}, received nothing`)
    expect(() => fromArray([1, 2] as unknown as Float32Array)).toThrow(
      `fromArray: ${accepted}, received [1, 2]`,
    )
    expect(() => zeros([1]).write(none)).toThrow(`write: ${accepted}, received nothing`)
    expect(() => fromArray(Float32Array.of(1), 1 as unknown as number[])).toThrow(
      'fromArray: shape must be an array',
    )
    expect(() => zeros([1], 'f64' as 'f32')).toThrow(
      'empty: dtype must be f32, bf16, i32, int8, q8_0, q4_0, q4_1, q4_k or q6_k, received f64',
    )
  })

  it('copies values of memory that threads share, and none of memory that was given away', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(8))
    shared.set([1, 2])
    expect(await fromArray(shared).read()).toEqual(Float32Array.of(1, 2))
    const detached = Float32Array.of(1, 2)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    expect(() => fromArray(detached, [2])).toThrow('a Float32Array of 0 cannot be written')
  })
})
