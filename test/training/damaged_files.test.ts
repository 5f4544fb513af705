import { cp, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DamagedFileError } from '../../lib/files/checksum.js'
import { loadModel } from '../../lib/models/transfusion/io/folder.js'
import { memory } from '../../lib/tensor/device.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { generator } from '../host_array.js'
import { temporaryFolder } from '../temporary_folder.js'
import { dataset, newModel, trainedConfig } from './synthetic_dataset.js'

const tiny = { ...trainedConfig, layers: 1, channels: 16, heads: 2, feedForward: 32 }
const settings = { seed: 5, steps: 4, batchSize: 2, ema: 0.9 }
const modelFiles = ['config.json', 'tokenizer.json', 'model.safetensors']
const checkpointFiles = [
  'training.json',
  'training.safetensors',
  'model/config.json',
  'model/model.safetensors',
]

/** A checkpoint of two steps, and the weights that four end with. */
let checkpoint = ''
let final = new Float32Array()
beforeAll(async () => {
  checkpoint = await mkdtemp(join(tmpdir(), 'transfusion-js-'))
  using training = newTraining()
  const { trainer, network } = training
  await trainer.run({
    every: { steps: 2, run: (step) => (step === 2 ? trainer.save(checkpoint) : Promise.resolve()) },
  })
  final = (await network.arena.values.readFloats()) as Float32Array<ArrayBuffer>
})

afterAll(() => rm(checkpoint, { recursive: true }))

function newTraining() {
  const model = newModel(tiny)
  const { network } = model
  const trainer = new Trainer(model, dataset, settings)
  const dispose = () => [trainer, network].forEach((owner) => owner[Symbol.dispose]())
  return { network, trainer, [Symbol.dispose]: dispose }
}

async function copyOf(folder: string): Promise<string> {
  const copy = join(await temporaryFolder(), 'copy')
  await cp(folder, copy, { recursive: true })
  return copy
}

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: Error) => error,
  )

/** What an error names: without its config a folder is no model's. */
const namedOf = (folder: string, file: string) => (file === 'config.json' ? folder : join(folder, file))

async function load(folder: string, verify?: boolean) {
  using network = (await loadModel(folder, { verify })).network
  return network.arena.values.readFloats()
}

/** Restores and trains to the end. */
async function resume(folder: string, options?: { verify: boolean }) {
  using training = newTraining()
  const { trainer, network } = training
  await trainer.restore(folder, options)
  await trainer.run()
  return network.arena.values.readFloats()
}

/** Flips so many single bits of a file, one at a time, and returns what reading the folder rejects with. */
async function flip(folder: string, file: string, flips: number, read: (folder: string) => Promise<unknown>) {
  const path = join(folder, file)
  const whole = await readFile(path)
  const next = generator(file.length)
  const failures: (Error | undefined)[] = []
  for (let i = 0; i < flips; i++) {
    const damaged = Buffer.from(whole)
    // Half of them among the first bytes, where headers are.
    const place = Math.floor(next() * (i % 2 ? whole.length : Math.min(whole.length, 400)))
    damaged[place]! ^= 1 << Math.floor(next() * 8)
    await writeFile(path, damaged)
    failures.push(await reasonOf(read(folder)))
  }
  await writeFile(path, whole)
  return failures
}

describe.each<[string, string[], () => string, (folder: string) => Promise<unknown>]>([
  ['model', modelFiles, () => join(checkpoint, 'model'), load],
  ['checkpoint', checkpointFiles, () => checkpoint, resume],
])('a %s of which a file is damaged is refused, naming the file', (_, files, original, read) => {
  it.each(files)('%s: a bit was flipped', async (file) => {
    const folder = await copyOf(original())
    const { tensors } = memory()
    const failures = await flip(folder, file, 60, read)
    for (const failure of failures) expect(failure?.message).toContain(namedOf(folder, file))
    const binary = file.endsWith('.safetensors') || file === 'tokenizer.json'
    for (const failure of failures) expect(failure instanceof DamagedFileError || !binary).toBe(true)
    expect(failures.some((failure) => failure instanceof DamagedFileError)).toBe(true)
    await read(folder)
    expect(memory().tensors).toBe(tensors)
  })

  it.each(files)('%s: it is cut short, or missing', async (file) => {
    const folder = await copyOf(original())
    const path = join(folder, file)
    await truncate(path, (await readFile(path)).length - 30)
    expect((await reasonOf(read(folder)))?.message).toContain(path)
    await rm(path)
    expect((await reasonOf(read(folder)))?.message).toContain(namedOf(folder, file))
  })
})

describe('a damaged file', () => {
  it('is named with what is wrong and what to do', async () => {
    const folder = await copyOf(join(checkpoint, 'model'))
    const path = join(folder, 'model.safetensors')
    const bytes = await readFile(path)
    bytes[bytes.length - 1]! ^= 1
    await writeFile(path, bytes)
    const config = join(folder, 'config.json')
    const remedy =
      'Take another copy, an earlier checkpoint say; where it was changed on purpose, delete "checksums" from ' +
      `${config}, or load with verify: false`
    const found = await reasonOf(load(folder))
    expect(found).toBeInstanceOf(DamagedFileError)
    expect((found as DamagedFileError).path).toBe(path)
    expect(found?.message).toMatch(
      /is damaged: it has the checksum crc32:[0-9a-f]{8}, was saved with crc32:[0-9a-f]{8}\. /,
    )
    expect(found?.message).toContain(remedy)
    await truncate(path, 100)
    expect((await reasonOf(load(folder)))?.message).toMatch(
      /model\.safetensors: is damaged and cannot be read \(.*header/,
    )
    await rm(path)
    expect((await reasonOf(load(folder)))?.message).toMatch(
      /model\.safetensors: is missing or cannot be opened \(ENOENT/,
    )
  })

  it('is read where it is not verified, or has no checksum any more', async () => {
    const folder = await copyOf(join(checkpoint, 'model'))
    const path = join(folder, 'model.safetensors')
    const expected = await load(folder)
    const bytes = await readFile(path)
    bytes[bytes.length - 1]! ^= 1
    await writeFile(path, bytes)
    const changed = await load(folder, false)
    expect(changed).not.toEqual(expected)
    const config = join(folder, 'config.json')
    const { checksums, ...rest } = JSON.parse(await readFile(config, 'utf8'))
    expect(Object.keys(checksums)).toEqual(['model.safetensors', 'tokenizer.json', 'config.json'])
    await writeFile(config, JSON.stringify(rest))
    expect(await load(folder)).toEqual(changed)
  })

  it('leaves the trainer that is to restore it as it was', async () => {
    const folder = await copyOf(checkpoint)
    using training = newTraining()
    const { trainer, network } = training
    for (const file of checkpointFiles)
      for (const failure of await flip(folder, file, 2, () => trainer.restore(folder)))
        expect(failure).toBeDefined()
    expect(trainer.done.steps).toBe(0)
    await trainer.run()
    expect(await network.arena.values.readFloats()).toEqual(final)
  })

  it('is no file that was written anew with the same values, other white space aside', async () => {
    const folder = await copyOf(checkpoint)
    for (const file of ['training.json', 'model/config.json']) {
      const path = join(folder, file)
      const json = await readFile(path, 'utf8')
      await writeFile(path, JSON.stringify(JSON.parse(json), null, 4).replaceAll('\n', '\r\n'))
    }
    expect(await resume(folder)).toEqual(final)
  })
})

describe('a checkpoint', () => {
  it('without checksums is read as ever', async () => {
    const folder = await copyOf(checkpoint)
    for (const file of ['training.json', 'model/config.json']) {
      const path = join(folder, file)
      const { checksums: _, ...rest } = JSON.parse(await readFile(path, 'utf8'))
      await writeFile(path, JSON.stringify(rest))
    }
    expect(await resume(folder)).toEqual(final)
  })

  it('with the model of another step is refused', async () => {
    const folder = await copyOf(checkpoint)
    const other = await temporaryFolder()
    using training = newTraining()
    await training.trainer.save(other)
    await rm(join(folder, 'model'), { recursive: true })
    await rename(join(other, 'model'), join(folder, 'model'))
    const failure = await reasonOf(resume(folder))
    expect(failure).toBeInstanceOf(DamagedFileError)
    expect(failure?.message).toContain(
      'model/config.json: is of another save than the checkpoint that it is in',
    )
    await expect(resume(folder, { verify: false })).resolves.toBeDefined()
  })

  it('of a model whose config differs is refused, even where all shapes are alike', async () => {
    const model = newModel({ ...tiny, heads: 4 })
    using network = model.network
    using trainer = new Trainer(model, dataset, settings)
    await expect(trainer.restore(checkpoint)).rejects.toThrow(
      `${join(checkpoint, 'model/config.json')}: is of another model: heads is 2, expected 4`,
    )
    expect(network.arena.consistent).toBe(true)
  })

  it('with an average is refused by a trainer without', async () => {
    const model = newModel(tiny)
    using network = model.network
    using trainer = new Trainer(model, dataset, { ...settings, ema: 0 })
    await expect(trainer.restore(checkpoint)).rejects.toThrow(
      /training\.safetensors: has (weights|average\.updates): the run had another optimizer, or an average \(ema\)/,
    )
    expect(network.arena.consistent).toBe(true)
  })
})
