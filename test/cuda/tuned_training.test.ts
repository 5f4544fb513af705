import { mkdtempSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { tuneFromConfig } from '../../lib/run/tune_from_config.js'
import { measureProduct } from '../../lib/tensor/product_choices.js'
import {
  type MeasuredProduct,
  productFile,
  productMachine,
  readProducts,
  writeProducts,
} from '../../lib/tensor/product_store.js'
import { command } from '../cli/command.js'
import { tinyRun, writePictures } from '../run/tiny_run.js'
import { temporaryFolder } from '../temporary_folder.js'
import { simulatedCublasLt } from './simulated_cublaslt.js'
import { settings, tinyTraining } from './tiny_training.js'

process.env['TRANSFUSION_CUBLASLT'] = simulatedCublasLt
process.env['XDG_CACHE_HOME'] = mkdtempSync(join(tmpdir(), 'cache-'))

const machine = () => productMachine('cuda:0')!

afterEach(() => rm(productFile(machine()), { force: true }))

/** Of a training's products, those that cuBLASLt computes; each by the algorithm of this number. */
async function byLibrary(number: number): Promise<MeasuredProduct[]> {
  using training = tinyTraining(settings(1), 'cuda', 'bf16')
  await training.trainer.run()
  const products: MeasuredProduct[] = []
  for (const { shape } of training.trainer.products) {
    const times = [...(await measureProduct(shape, 'cuda:0', 1))]
    const ways = times.map(({ way }) => way).filter((way) => way.startsWith('cublaslt'))
    if (ways.length > 0) products.push({ shape, way: ways[number]!, times })
  }
  return products
}

async function train(steps: number, products: 'fastest' | 'own' = 'fastest') {
  using training = tinyTraining(settings(steps, { products }), 'cuda', 'bf16')
  await training.trainer.run()
  return { weights: await training.weights(), ways: waysOf(training.trainer) }
}

const waysOf = ({ products }: { products: readonly { way: string; calls: number }[] }) =>
  new Set(products.filter(({ calls }) => calls > 0).map(({ way }) => way.split(' ')[0]!))

describe('training', () => {
  it('computes products as they were measured, with the same bits each time; "own" does not', async () => {
    const own = await train(2, 'own')
    expect(own.ways).toEqual(new Set())
    const unmeasured = await train(2)
    expect(unmeasured.ways).toEqual(new Set(['fixed']))
    expect(unmeasured.weights).toEqual(own.weights)
    await writeProducts(machine(), await byLibrary(2), [])
    const tuned = await train(2)
    expect(tuned.ways).toContain('cublaslt')
    expect(tuned.weights).not.toEqual(own.weights)
    expect((await train(2)).weights).toEqual(tuned.weights)
    expect((await train(2, 'own')).weights).toEqual(own.weights)
  })

  it('goes on from a checkpoint with its ways, whatever was measured since', async () => {
    await writeProducts(machine(), await byLibrary(2), [])
    const expected = await train(3)
    const folder = join(await temporaryFolder(), 'checkpoint')
    {
      using begun = tinyTraining(settings(3), 'cuda', 'bf16')
      const save = async (step: number) => void (step === 1 && (await begun.trainer.save(folder)))
      await begun.trainer.run({ every: { steps: 1, run: save } })
    }
    await writeProducts(machine(), await byLibrary(1), [])
    using resumed = tinyTraining(settings(3), 'cuda', 'bf16')
    await resumed.trainer.restore(folder)
    const warnings: string[] = []
    await resumed.trainer.run({ onWarning: (line) => warnings.push(line) })
    expect(warnings).toEqual([])
    expect(await resumed.weights()).toEqual(expected.weights)
  })

  it.each([
    ['gpu', 'NVIDIA H100', 'GPU Simulated GPU (compute 8.0), was NVIDIA H100', true],
    ['cublaslt', '', 'cuBLASLt 13.0.0, was none', true],
    ['driver', '12.4', 'CUDA of the driver 12.0, was 12.4', false],
    ['build', 'abc', `build ${'%s'}, was abc`, false],
  ] as const)('says what another %s means', async (key, value, words, isChosenAnew) => {
    await writeProducts(machine(), await byLibrary(0), [])
    const folder = join(await temporaryFolder(), 'checkpoint')
    {
      using begun = tinyTraining(settings(2), 'cuda', 'bf16')
      await begun.trainer.run()
      await begun.trainer.save(folder)
    }
    await rm(productFile(machine()))
    const path = join(folder, 'training.json')
    const state = JSON.parse(await readFile(path, 'utf8')) as {
      products: { machine: Record<string, string> }
    }
    state.products.machine[key] = value
    await writeFile(path, JSON.stringify(state))
    using resumed = tinyTraining(settings(3), 'cuda', 'bf16')
    await resumed.trainer.restore(folder, { verify: false })
    const warnings: string[] = []
    await resumed.trainer.run({ onWarning: (line) => warnings.push(line) })
    const change = words.replace('%s', machine().build)
    expect(warnings).toEqual([
      `matrix products: ${change}: the run goes on with other roundings than it would have had there` +
        (isChosenAnew ? ', and with ways of computing them that are chosen anew' : ''),
    ])
    expect(waysOf(resumed.trainer).has('cublaslt')).toBe(!isChosenAnew)
  })

  it('warns of a damaged file of measurements, and does not use it', async () => {
    await writeProducts(machine(), await byLibrary(0), [])
    const file = productFile(machine())
    await writeFile(file, (await readFile(file, 'utf8')).replace('"cublaslt ', '"cublas '))
    using training = tinyTraining(settings(2), 'cuda', 'bf16')
    const warnings: string[] = []
    await training.trainer.run({ onWarning: (line) => warnings.push(line) })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(`${file}:\n  products[0].way: expected "fixed", "small"`)
    expect(warnings[0]).toContain('It is not used; `transfusion tune` writes it anew')
    expect(waysOf(training.trainer)).toEqual(new Set(['fixed']))
  })
})

describe('transfusion tune', () => {
  const configOf = async (more: object = {}) => {
    const folder = await temporaryFolder()
    await writePictures(folder)
    return {
      ...tinyRun(folder),
      device: 'cuda' as const,
      precision: 'bf16' as const,
      training: { steps: 5, batchSize: 2, ...more },
    }
  }

  it('keeps the fastest way of each product, beside those of other trainings', async () => {
    const first = await tuneFromConfig(await configOf())
    expect(first.file).toBe(productFile(machine()))
    expect(await readProducts(machine())).toEqual(first.products)
    for (const { way, times } of first.products) expect(times.map((time) => time.way)).toContain(way)
    const second = await tuneFromConfig(await configOf({ batchSize: 8 }))
    const kept = await readProducts(machine())
    const shapes = (products: readonly MeasuredProduct[]) =>
      products.map(({ shape }) => JSON.stringify(shape))
    expect(new Set(shapes(kept))).toEqual(new Set(shapes([...first.products, ...second.products])))
    expect(kept.length).toBeGreaterThan(second.products.length)
    expect(kept).toEqual(expect.arrayContaining([...second.products]))
  })

  it('measures what training an autoencoder of codes computes', async () => {
    const { data } = await configOf()
    const { products } = await tuneFromConfig({
      data,
      device: 'cuda',
      imagePreprocessing: { width: 8, height: 8 },
      model: {
        type: 'autoencoder',
        imageChannels: 1,
        channels: [8, 8],
        blocks: 1,
        groups: 4,
        latentChannels: 3,
        codebook: { codes: 5 },
      },
      training: { steps: 5, batchSize: 2 },
    })
    // 1 x 1 convolutions before and after the codes, of both images' 4 x 4 positions; 3 x 3 ones are no products.
    expect(products.map(({ shape: { m, n, k } }) => [m, n, k])).toContainEqual([32, 3, 3])
    expect(await readProducts(machine())).toEqual(products)
  })

  it('writes a damaged file anew', async () => {
    const { file } = await tuneFromConfig(await configOf())
    await writeFile(file, 'nonsense')
    const warnings: string[] = []
    const { products } = await tuneFromConfig(await configOf(), { onWarning: (line) => warnings.push(line) })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(`${file}: not JSON`)
    expect(await readProducts(machine())).toEqual(products)
  })

  it('refuses before it measures where nothing can be kept', async () => {
    const cache = process.env['XDG_CACHE_HOME']
    const file = join(await temporaryFolder(), 'file')
    await writeFile(file, '')
    process.env['XDG_CACHE_HOME'] = file
    try {
      const onShapes = () => expect.unreachable()
      await expect(tuneFromConfig(await configOf(), { onShapes })).rejects.toThrow(
        `${file}/transfusion-js/products: measurements cannot be kept there (`,
      )
    } finally {
      process.env['XDG_CACHE_HOME'] = cache
    }
  })

  it('is stopped between two products, and keeps nothing', async () => {
    const stop = new AbortController()
    const tuning = tuneFromConfig(await configOf(), { signal: stop.signal, onProduct: () => stop.abort() })
    await expect(tuning).rejects.toThrow('abort')
    expect(await readProducts(machine())).toEqual([])
  })

  it('shows what it measures, and `train` and `doctor` what they use', async () => {
    const folder = await temporaryFolder()
    const config = join(folder, 'train.json')
    await writeFile(config, JSON.stringify(await configOf()))
    const tuned = await command(['tune', config, '--device', 'cuda'], {})
    expect(tuned).toMatchObject({ code: 0, stderr: '' })
    expect(tuned.stdout).toMatch(/^product +fastest +ms +TFLOP\/s +own tiles, ms +gain$/m)
    expect(tuned.stdout).toMatch(/^bf16 \[\d+, \d+\] \[\d+, \d+\]' +(small|medium|large|cublaslt) +[\d.]+ /m)
    // Rates of a simulated GPU are millionths: columns stay apart.
    expect(tuned.stdout).toMatch(/ \d\.\d\de-\d+ +\d[\d.]* (small|medium|large)/)
    expect(tuned.stdout).toContain(`${config}: kept in ${productFile(machine())}`)
    const trained = await command(
      ['train', config, '--out', join(folder, 'run'), '--set', 'training.steps=1'],
      {},
    )
    expect(trained.code).toBe(0)
    expect(trained.stdout).toMatch(
      /^matrix products: as `transfusion tune` has measured \d+ of them on this GPU$/m,
    )
    const { stdout } = await command(['doctor'], {})
    expect(stdout).toContain(`  cuBLASLt: 13.0.0, ${simulatedCublasLt}`)
  })
})
