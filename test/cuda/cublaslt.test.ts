import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { measureProduct, ProductChoices, type ProductShape } from '../../lib/tensor/product_choices.js'
import { deviceInfo } from '../../lib/tensor/device.js'
import type { Shape } from '../../lib/tensor/shape.js'
import { empty } from '../../lib/tensor/tensor.js'
import { type HostArray, randomArray, toTensor } from '../host_array.js'
import { matmul as reference } from '../reference/matmul.js'
import { runProgram } from './program.js'
import { simulatedCublasLt } from './simulated_cublaslt.js'

// Read when the library is first looked for.
process.env['TRANSFUSION_CUBLASLT'] = simulatedCublasLt

const [M, N, K] = [24, 40, 48]

type Case = Partial<Omit<ProductShape, 'dtype'>>

const shapeOf = (product: Case): ProductShape => ({
  dtype: 'bf16',
  yDtype: 'bf16',
  transposeA: false,
  transposeB: false,
  bias: false,
  accumulate: false,
  aligned: true,
  batch: 1,
  m: M,
  n: N,
  k: K,
  ...product,
})

/** Of few bits: bf16 holds them, and f32 sums of their products. */
const sixteenths = (shape: Shape, seed?: number): HostArray => ({
  shape,
  data: randomArray(shape, seed).data.map((v) => Math.round(v * 16) / 16),
})

/** y, and what it has to be where sums are exact. */
async function multiply(shape: ProductShape, way: string, values = sixteenths) {
  const { batch, transposeA, transposeB, bias, accumulate, yDtype } = shape
  const of = (...sizes: number[]) => (batch > 1 ? [batch, ...sizes] : sizes)
  const a = values(transposeA ? of(K, M) : of(M, K))
  const b = values(transposeB ? of(N, K) : of(K, N), 2)
  const row = values([N], 3)
  const before = values(of(M, N), 4)
  const y = accumulate ? toTensor(before, yDtype) : empty(of(M, N), yDtype)
  const choices = new ProductChoices([{ shape, way, measured: true }])
  const [left, right] = [toTensor(a, 'bf16'), toTensor(b, 'bf16')]
  choices.run(() => {
    if (accumulate) native.matmul_accumulate(y.handle, left.handle, right.handle, transposeA, transposeB)
    else {
      const biases = bias ? toTensor(row, yDtype).handle : undefined
      native.matmul(y.handle, left.handle, right.handle, biases, transposeA, transposeB)
    }
  })
  const expected = reference(a, b, { transposeA, transposeB }).data
  for (const i of expected.keys())
    expected[i]! += (bias ? row.data[i % N]! : 0) + (accumulate ? before.data[i]! : 0)
  const found = await y.readFloats()
  expect(choices.list()).toEqual([{ shape, way, measured: true, calls: 1 }])
  return { found, expected: await toTensor({ shape: of(M, N), data: expected }, yDtype).readFloats() }
}

const libraryWays = async (shape: ProductShape) =>
  (await measureProduct(shape, 'cuda:0', 1)).map(({ way }) => way).filter((way) => way.startsWith('cublaslt'))

it('is found, and says which one', () => {
  expect(deviceInfo('cuda')).toMatchObject({ cublaslt: '13.0.0', cublasltPlace: simulatedCublasLt })
})

describe('a product by cuBLASLt', () => {
  it.each<Case>([
    {},
    { transposeB: true },
    { transposeB: true, bias: true },
    { transposeB: true, bias: true, yDtype: 'f32' },
    { transposeA: true },
    { transposeA: true, transposeB: true },
    { transposeA: true, accumulate: true, yDtype: 'f32' },
    { batch: 3 },
    { batch: 3, transposeA: true },
    { batch: 2, transposeB: true, accumulate: true, yDtype: 'f32' },
  ])('is exact where sums are, by each algorithm: %j', async (product) => {
    const shape = shapeOf(product)
    const ways = await libraryWays(shape)
    // Of eight that the library has: none that joins splits in y's type, wants more alignment than 16 bytes or more
    // workspace than there is.
    expect(ways).toHaveLength(3)
    for (const way of ways) {
      const { found, expected } = await multiply(shape, way)
      expect(found, way).toEqual(expected)
    }
  })

  it('has the same bits each time, and other ones by another algorithm', async () => {
    const shape = shapeOf({ transposeB: true, yDtype: 'f32' })
    const ways = await libraryWays(shape)
    const results = []
    for (const way of ways) {
      const { found } = await multiply(shape, way, randomArray)
      expect((await multiply(shape, way, randomArray)).found).toEqual(found)
      results.push(found.join())
    }
    expect(new Set(results).size).toBe(ways.length)
  })

  it.each<Partial<ProductShape>>([
    { dtype: 'f32', yDtype: 'f32' },
    { k: 33, aligned: false },
    { aligned: false },
    { n: 33, transposeB: true },
    { bias: true, batch: 2 },
  ])('is none: %j', async (product) => {
    expect(await libraryWays({ ...shapeOf({}), ...product })).toEqual([])
  })

  it.each([
    ['no algorithm', '0'.repeat(128)],
    ['another version', (words: string[]) => words.with(1, (120405).toString(16).padStart(16, '0')).join('')],
  ])('rejects where its algorithm is none of this library: %s', async (_, algorithm) => {
    const shape = shapeOf({})
    const [way] = await libraryWays(shape)
    const words = way!.split(' ')[1]!.match(/.{16}/g)!
    const digits = typeof algorithm === 'string' ? algorithm : algorithm(words)
    await expect(multiply(shape, `cublaslt ${digits}`)).rejects.toThrow(
      'matmul: cuBLASLt 13.0.0: cublasLtMatmulAlgoCheck: CUBLAS_STATUS_INVALID_VALUE',
    )
  })
})

/** Products of ones by an algorithm of cuBLASLt's, on each device: their first elements. */
const oneOfEach = (devices: readonly number[]) => `
  const shape = { dtype: 1, yDtype: 1, transposeA: false, transposeB: true, bias: false, accumulate: false,
    aligned: true, batch: 1, m: 32, n: 16, k: 64 }
  const main = async (device) => {
    native.open_device(device)
    const made = (shape, filled = true) => {
      const x = native.create(1, shape, device)
      if (filled) native.fill(x, 1)
      return x
    }
    const times = JSON.parse(Buffer.from(await native.measure_product(shape, 1, device)).toString())
    const choices = native.create_products()
    const ways = times.map(({ way }) => way).filter((way) => way.startsWith('cublaslt')).sort()
    native.set_product(choices, shape, ways[(process.env.WAY ?? 0) % ways.length], true)
    native.use_products(choices)
    const y = made([32, 16], false)
    native.matmul(y, made([32, 64], process.env.FILLED !== 'no'), made([16, 64]), undefined, false, true)
    native.use_products(undefined)
    return new Uint16Array(await native.read(y))[0]
  }
  Promise.all(${JSON.stringify(devices)}.map(main)).then((all) => console.log(all.join()), ({ message }) => console.log(message))`

const bf16Of64 = String(0x4280)

describe('on the device', () => {
  const env = { TRANSFUSION_CUBLASLT: simulatedCublasLt }

  it('computes on each of several GPUs', async () => {
    const { stdout } = await runProgram(oneOfEach([1, 2]), {
      env: { ...env, TRANSFUSION_SIMULATOR_DEVICES: '2' },
    })
    expect(stdout).toBe(`${bf16Of64},${bf16Of64}\n`)
  })

  it.each([0, 1, 2, 3])(
    'is named where a fault is its own, with TRANSFUSION_CUDA_SYNC: algorithm %s',
    async (way) => {
      const { stdout } = await runProgram(oneOfEach([1]), {
        env: { ...env, TRANSFUSION_CUDA_SYNC: '1', FILLED: 'no', WAY: String(way) },
      })
      expect(stdout).toMatch(/CUDA_ERROR_LAUNCH_FAILED.*cuBLASLt/)
    },
  )
})

/** What a large product is computed by, where nothing was measured: known once it is launched, long before it is done. */
const largeProduct = `
  const { writeSync } = require('node:fs')
  const choices = native.create_products()
  const ones = (dtype) => { const x = native.create(dtype, [1024, 1024], 1); native.fill(x, 1); return x }
  const product = (dtype) => native.matmul(ones(dtype), ones(dtype), ones(dtype), undefined, false, true)
  native.use_products(choices)
  product(1)
  product(0)
  const wait = setInterval(() => {
    const list = native.list_products(choices)
    if (list.length < 2) return
    writeSync(1, list.map(({ way }) => way.split(' ')[0]).sort().join())
    process.kill(process.pid, 'SIGKILL')
  }, 10)`

describe('where nothing was measured', () => {
  it('takes large products of bf16, and those of f32 never', async () => {
    const { stdout } = await runProgram(largeProduct, { env: { TRANSFUSION_CUBLASLT: simulatedCublasLt } })
    expect(stdout).toBe('cublaslt,fixed')
  })

  it('takes none where it is not there', async () => {
    const { stdout } = await runProgram(largeProduct, { env: { TRANSFUSION_CUBLASLT: 'none' } })
    expect(stdout).toBe('fixed,fixed')
  })
})

describe('says why there is none', () => {
  const driver = process.env['TRANSFUSION_CUDA_DRIVER']!
  it.each([
    [
      { TRANSFUSION_CUBLASLT: '' },
      "with another driver than the system's, TRANSFUSION_CUBLASLT must name it",
    ],
    [{ TRANSFUSION_CUBLASLT: 'none' }, 'TRANSFUSION_CUBLASLT=none'],
    [
      { TRANSFUSION_CUBLASLT: '/nothing.so' },
      'TRANSFUSION_CUBLASLT=/nothing.so cannot be used: /nothing.so: ',
    ],
    [{ TRANSFUSION_CUBLASLT: driver }, 'it lacks cublasLtGetVersion'],
    [
      { TRANSFUSION_CUBLASLT: simulatedCublasLt, TRANSFUSION_SIMULATOR_CUBLASLT_VERSION: '111103' },
      'it is version 11.11.3, 12 or 13 is needed',
    ],
  ])('%j', async (env, reason) => {
    const program = `const { cublaslt, cublasltPlace } = native.device_info(1)
      console.log(JSON.stringify([cublaslt === '', cublasltPlace]))`
    const { stdout, stderr } = await runProgram(program, { env })
    expect(stderr).toBe('')
    const [isEmpty, place] = JSON.parse(stdout) as [boolean, string]
    expect(place).toContain(reason)
    expect(isEmpty).toBe(true)
  })
})
