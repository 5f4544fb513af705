import { afterEach, describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { type Conv2dWindow, conv2d } from '../../lib/ops/conv2d.js'
import { setThreads } from '../../lib/tensor/device.js'
import { fromArray, full, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray, toTensor } from '../host_array.js'
import { nativeWindow, passes } from './conv2d_passes.js'

afterEach(() => setThreads(2))

/** The places on a window's axis that lie inside the image: [in the window, in the image]. */
function inside(
  output: number,
  window: number,
  size: number,
  { stride, before }: { stride: number; before: number },
) {
  const places = Array.from({ length: window }, (_, u) => [u, output * stride + u - before] as const)
  return places.filter(([, place]) => place >= 0 && place < size)
}

function reference(
  { x, weight, bias, residual }: { x: HostArray; weight: HostArray; bias?: HostArray; residual?: HostArray },
  options: Conv2dWindow,
): HostArray {
  const { stride, before, groups } = nativeWindow(options)
  const { padding = 0 } = options
  const [N, H, W, C] = x.shape as [number, number, number, number]
  const [O, Kh, Kw, I] = weight.shape as [number, number, number, number]
  const after = typeof padding === 'number' ? padding : padding[1]
  const Ho = Math.floor((H + before + after - Kh) / stride) + 1
  const Wo = Math.floor((W + before + after - Kw) / stride) + 1
  const y = { shape: [N, Ho, Wo, O], data: new Float64Array(N * Ho * Wo * O) }
  for (let place = 0; place < N * Ho * Wo; place++) {
    const rows = inside(Math.floor(place / Wo) % Ho, Kh, H, { stride, before })
    const columns = inside(place % Wo, Kw, W, { stride, before })
    const n = Math.floor(place / Wo / Ho)
    for (let o = 0; o < O; o++) {
      const first = Math.floor(o / (O / groups)) * I
      const added = bias?.data[bias.shape.length === 2 ? n * O + o : o] ?? 0
      let sum = added + (residual?.data[place * O + o] ?? 0)
      for (const [u, row] of rows)
        for (const [v, column] of columns) {
          const pixel = ((n * H + row) * W + column) * C + first
          const filter = ((o * Kh + u) * Kw + v) * I
          for (let c = 0; c < I; c++) sum += x.data[pixel + c]! * weight.data[filter + c]!
        }
      y.data[place * O + o] = sum
    }
  }
  return y
}

const cases: [number[], number[], Conv2dWindow][] = [
  [[1, 1, 1, 1], [1, 1, 1, 1], {}],
  [[2, 5, 4, 3], [7, 3, 3, 3], { padding: 1 }],
  [[2, 5, 3, 31], [33, 3, 3, 31], { padding: 1 }],
  [[2, 6, 7, 16], [32, 3, 3, 16], { stride: 2, padding: 1 }],
  [[1, 11, 6, 5], [4, 5, 2, 5], { stride: 3, padding: 1 }],
  [[3, 4, 4, 33], [31, 1, 1, 33], {}],
  [[2, 7, 7, 6], [9, 3, 3, 2], { padding: 1, groups: 3 }],
  [[2, 6, 5, 8], [8, 3, 3, 1], { padding: 2, groups: 8 }],
  [[1, 2, 2, 4099], [2, 3, 3, 4099], { padding: 1 }],
  [[67, 2, 3, 2], [3, 2, 2, 2], {}],
  [[1, 40, 17, 16], [19, 3, 2, 16], { padding: 1 }],
  [[2, 9, 8, 16], [17, 5, 5, 16], {}],
  [[1, 6, 9, 16], [16, 5, 3, 16], { padding: 2 }],
  [[2, 6, 9, 16], [32, 3, 3, 16], { stride: 2, padding: [0, 1] }],
  [[1, 7, 4, 3], [5, 3, 3, 3], { stride: 2, padding: [0, 1] }],
  [[2, 11, 9, 32], [32, 3, 3, 32], { padding: [0, 2] }],
  [[1, 8, 40, 32], [16, 3, 3, 32], { padding: [1, 2] }],
  [[1, 5, 7, 16], [16, 4, 4, 16], { padding: [2, 1] }],
  // By Winograd's algorithm on CPUs in f32: tiles that end beyond the image, and more than one panel of channels.
  [[2, 7, 9, 33], [35, 3, 3, 33], { padding: 1 }],
  [[1, 9, 6, 32], [67, 3, 3, 32], {}],
  [[1, 3, 4, 65], [32, 3, 3, 65], { padding: 2 }],
]

const equalSizes: [number[], number[], Conv2dWindow][] = [
  [[71, 14, 14, 32], [64, 3, 3, 32], { padding: 1 }],
  [[9, 16, 16, 64], [64, 3, 3, 64], { stride: 2, padding: 1 }],
  [[5, 13, 11, 31], [33, 3, 3, 31], { padding: 1 }],
  [[33, 8, 8, 12], [6, 5, 5, 4], { padding: 2, groups: 3 }],
  [[4, 32, 32, 3], [128, 3, 3, 3], { padding: 1 }],
  [[3, 7, 7, 256], [128, 1, 1, 256], {}],
  [[9, 16, 16, 64], [64, 3, 3, 64], { stride: 2, padding: [0, 1] }],
  [[5, 40, 17, 32], [48, 3, 3, 32], { padding: 1 }],
  [[6, 9, 7, 65], [66, 3, 3, 65], { padding: 2 }],
]

describe('conv2d', () => {
  it.each(cases)('agrees with the reference on x %j, weight %j, %j', async (shape, weightShape, options) => {
    const inputs = { x: randomArray(shape), weight: randomArray(weightShape, 2) }
    await checkOp({
      inputs,
      run: ({ x, weight }) => conv2d(x, weight, undefined, options),
      reference: (arrays) => reference(arrays, options),
    })
    await checkOp({
      inputs: { ...inputs, bias: randomArray([weightShape[0]!], 3) },
      run: ({ x, weight, bias }) => conv2d(x, weight, bias, options),
      reference: (arrays) => reference(arrays, options),
    })
  })

  it.each(cases)(
    'adds a bias of each image, and a residual: x %j, weight %j, %j',
    async (shape, of, options) => {
      const inputs = { x: randomArray(shape), weight: randomArray(of, 2) }
      const outputs = reference(inputs, options).shape
      await checkOp({
        inputs: {
          ...inputs,
          bias: randomArray([shape[0]!, of[0]!], 3),
          residual: randomArray(outputs, 4),
        },
        run: ({ x, weight, bias, residual }) => conv2d(x, weight, bias, { ...options, residual }),
        reference: (arrays) => reference(arrays, options),
      })
    },
  )

  describe.each(['f32', 'bf16'] as const)('in %s', (dtype) => {
    const tensorsOf = (shape: number[], weightShape: number[], options: Conv2dWindow) => {
      const x = toTensor(randomArray(shape), dtype)
      const weight = toTensor(randomArray(weightShape, 2), dtype)
      const { shape: outputs } = conv2d(x, weight, undefined, options)
      return { x, weight, dy: toTensor(randomArray(outputs, 3), dtype) }
    }

    it.each(equalSizes)(
      'gives the same bits with 1 and with 2 threads: x %j, weight %j, %j',
      async (shape, weightShape, options) => {
        const { x, weight, dy } = tensorsOf(shape, weightShape, options)
        const results = [1, 2].map((threads) => {
          setThreads(threads)
          return passes(x, weight, dy, options)
        })
        for (const [i, of] of ['y', 'dx', 'dweight'].entries()) {
          const [one, two] = await Promise.all(results.map((tensors) => tensors[i]!.readFloats()))
          expect(
            one!.every((value, j) => Object.is(value, two![j])),
            of,
          ).toBe(true)
        }
      },
    )

    it.each(equalSizes)(
      'computes an image alike whatever images are beside it: x %j, weight %j, %j',
      async (shape, weightShape, options) => {
        const { x, weight, dy } = tensorsOf(shape, weightShape, options)
        const [y, dx] = passes(x, weight, dy, options)
        const last = async (tensor: Tensor) => {
          const values = await tensor.readFloats()
          return values.slice(-values.length / shape[0]!)
        }
        const alone = async (tensor: Tensor) =>
          fromArray(await last(tensor), tensor.shape.with(0, 1), tensor.dtype)
        const [y1, dx1] = passes(await alone(x), weight, await alone(dy), options)
        expect(await y1!.readFloats()).toEqual(await last(y!))
        expect(await dx1!.readFloats()).toEqual(await last(dx!))
      },
    )
  })

  const largeSizes = [
    [[35, 40, 17, 16], [19, 3, 2, 16], { padding: 1 }],
    // More than a part has room for.
    [[3, 50, 37, 16], [19, 3, 3, 16], { padding: 1 }],
    [[2, 41, 67, 17], [16, 2, 5, 17], {}],
  ] as const
  it.each([...equalSizes, ...largeSizes])(
    'sums weight gradients of bf16 as of the same values in f32: x %j, weight %j, %j',
    async (shape, weightShape, options) => {
      const rounded = async (array: HostArray) =>
        Float64Array.from(await toTensor(array, 'bf16').readFloats())
      const x = { shape: [...shape], data: await rounded(randomArray([...shape])) }
      const outputs = conv2d(toTensor(x), zeros([...weightShape]), undefined, options).shape
      const dy = { shape: [...outputs], data: await rounded(randomArray([...outputs], 3)) }
      const { stride, before, groups } = nativeWindow(options)
      const gradients = (['f32', 'bf16'] as const).map((dtype) => {
        const sums = zeros([...weightShape])
        const [dyTensor, xTensor] = [toTensor(dy, dtype), toTensor(x, dtype)]
        native.conv2d_backward_weight(sums.handle, dyTensor.handle, xTensor.handle, stride, before, groups)
        return sums.readFloats()
      })
      const [expected, found] = await Promise.all(gradients)
      // Sums of as many products as there are positions, in different orders.
      const scale = Math.sqrt(shape[0]! * outputs[1]! * outputs[2]!)
      const worst = expected!.reduce((worst, value, i) => Math.max(worst, Math.abs(value - found![i]!)), 0)
      expect(worst / scale).toBeLessThan(2e-6)
    },
  )

  it.each(['f32', 'bf16'] as const)(
    'sees that weights have changed, after any number of uses (%s)',
    async (dtype) => {
      const [shape, of] = [
        [3, 6, 6, 16],
        [32, 3, 3, 16],
      ]
      const x = randomArray(shape!)
      const elements = of!.reduce((a, b) => a * b)
      const both = toTensor(randomArray([2 * elements], 2), dtype)
      const input = toTensor(x, dtype)
      // Two weights in one piece of memory, packed ones of which are kept from the second use on.
      const outputsOf = () =>
        [0, elements].map((offset) => conv2d(input, both.view(of!, offset), undefined, { padding: 1 }))
      const first = await Promise.all(outputsOf().map((y) => y.readFloats()))
      expect(first[0]).not.toEqual(first[1])
      for (let use = 0; use < 3; use++)
        expect(await Promise.all(outputsOf().map((y) => y.readFloats()))).toEqual(first)
      native.scale(both.handle, both.handle, 2)
      const doubled = first.map((values) => values.map((value) => 2 * value))
      for (let use = 0; use < 3; use++)
        expect(await Promise.all(outputsOf().map((y) => y.readFloats()))).toEqual(doubled)
    },
  )

  it('adds the gradient of its weight to what is there', async () => {
    const [x, dy] = [full([3, 2, 2, 1], 2), full([3, 2, 2, 1], 3)]
    const dweight = full([1, 1, 1, 1], 10)
    native.conv2d_backward_weight(dweight.handle, dy.handle, x.handle, 1, 0, 1)
    expect(await dweight.readFloats()).toEqual(Float32Array.of(10 + 12 * 6))
  })

  it('works on no images', async () => {
    const x = zeros([0, 4, 4, 3])
    expect((await conv2d(x, zeros([2, 3, 3, 3])).readFloats()).length).toBe(0)
    const [, dx, dweight] = passes(x, zeros([2, 3, 3, 3]), zeros([0, 2, 2, 2]), {})
    expect(dx!.elements).toBe(0)
    expect(await dweight!.readFloats()).toEqual(new Float32Array(54))
  })

  it('names the argument and what was received', () => {
    const x = zeros([2, 4, 5, 6])
    const weight = zeros([8, 3, 3, 6])
    expect(() => conv2d(zeros([4, 5, 6]), weight)).toThrow('conv2d: x must have 4 axes')
    expect(() => conv2d(zeros([2, 0, 5, 6]), weight)).toThrow(
      'conv2d: x must have rows, columns and channels',
    )
    expect(() => conv2d(x, zeros([8, 3, 3, 5]))).toThrow(
      'conv2d: weight must have shape [*, *, *, 6], received a tensor of f32 [8, 3, 3, 5]',
    )
    expect(() => conv2d(x, zeros([8, 3, 3, 6], 'bf16'))).toThrow('conv2d: weight must be f32')
    expect(() => conv2d(x, zeros([0, 3, 3, 6]))).toThrow('conv2d: weight must have outputs, rows and columns')
    expect(() => conv2d(x, weight, zeros([7]))).toThrow('conv2d: bias must have shape [8]')
    expect(() => conv2d(x, weight, zeros([8], 'bf16'))).toThrow('conv2d: bias must be f32')
    expect(() => conv2d(x, weight, undefined, { stride: 0 })).toThrow(
      'conv2d: stride must be an integer in 1..4096, received 0',
    )
    expect(() => conv2d(x, weight, undefined, { padding: 3 })).toThrow(
      'conv2d: padding must be an integer in 0..2, received 3',
    )
    expect(() => conv2d(x, weight, undefined, { groups: 4 })).toThrow(
      'conv2d: groups must divide the 6 channels of x, received 4',
    )
    expect(() => conv2d(x, zeros([8, 3, 3, 2]), undefined, { groups: 3 })).toThrow(
      'conv2d: groups must divide the 8 outputs of weight, received 3',
    )
    expect(() => conv2d(x, zeros([8, 5, 3, 6]))).toThrow(
      `conv2d: weight must be no larger than the images of ${x} with padding 0`,
    )
  })
})
