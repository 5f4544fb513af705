import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it } from 'vitest'
import type { LatentPart } from '../../lib/data/document.js'
import { openLatentsSource } from '../../lib/data/sources/latents/latents_source.js'
import { readLatentsIndex } from '../../lib/data/sources/latents/latents_folder.js'
import { readSafetensors, writeSafetensors } from '../../lib/files/safetensors/safetensors.js'
import { largestValue, measuredScale } from '../../lib/image/latent_statistics.js'
import { readImage, writePng } from '../../lib/image/image_io.js'
import { AutoencoderCodec } from '../../lib/models/autoencoder/codec.js'
import { describeAutoencoder } from '../../lib/models/autoencoder/io/folder.js'
import { readModelConfig } from '../../lib/models/transfusion/io/folder_config.js'
import { encodeLatents, type EncodeLatentsOptions } from '../../lib/run/encode_latents.js'
import { trainFromConfig } from '../../lib/run/train_from_config.js'
import type { WrittenTrainConfig } from '../../lib/run/train_config.js'
import { memory } from '../../lib/tensor/device.js'
import { Transfusion } from '../../lib/transfusion.js'
import { command } from '../cli/command.js'
import { generator } from '../host_array.js'
import { temporaryFolder } from '../temporary_folder.js'

/** 4 pixels for each position of 4 channels. */
const autoencoder = fileURLToPath(new URL('../fixtures/autoencoders/sd', import.meta.url))
const images = 20

let folder: string
let config: WrittenTrainConfig

beforeEach(async () => {
  folder = await temporaryFolder()
  const pictures = join(folder, 'pictures')
  await mkdir(pictures)
  for (let i = 0; i < images; i++) {
    const next = generator(i)
    const data = Uint8Array.from({ length: 32 * 32 * 3 }, () => 256 * next())
    await writePng(join(pictures, `${String(i).padStart(2, '0')}.png`), {
      width: 32,
      height: 32,
      channels: 3,
      data,
    })
    await writeFile(join(pictures, `${String(i).padStart(2, '0')}.txt`), i % 2 ? 'bag' : 'coat')
  }
  await cp(autoencoder, join(folder, 'vae'), { recursive: true })
  config = {
    data: { type: 'folder', path: pictures },
    model: {
      layers: 1,
      channels: 32,
      heads: 2,
      feedForward: 64,
      image: { channels: 4, patch: 2, height: 8, width: 8 },
      autoencoder: join(folder, 'vae'),
    },
    training: { steps: 3, batchSize: 4, learningRate: { peak: 3e-3, warmupSteps: 3 } },
    samples: { every: 3, steps: 2 },
  }
})

const filesOf = async (out: string) =>
  Promise.all(
    (await readdir(out))
      .filter((name) => name.startsWith('latents'))
      .map(async (name) => [name, await readFile(join(out, name), 'base64')]),
  )

const calibrationOf = async (run: string) => {
  const { codec } = await readModelConfig(join(folder, run, 'model'))
  if (codec?.type !== 'autoencoder' || !codec.calibration) throw new Error('nothing was measured')
  return codec.calibration
}

const encode = (out: string, options: EncodeLatentsOptions = {}) =>
  encodeLatents(config, { out: join(folder, out), shard: 8, ...options })

describe('encodeLatents', () => {
  it('writes what the autoencoder gives of each image, with its text, and training reads it', async () => {
    const before = memory().live
    expect(await encode('whole')).toEqual({ complete: true, documents: images })
    expect(await readdir(join(folder, 'whole'))).toEqual(
      expect.arrayContaining(['latents-00000.jsonl', 'latents-00000.safetensors', 'latents.json']),
    )
    const source = await openLatentsSource(join(folder, 'whole'))
    expect(source.length).toBe(images)
    using codec = await AutoencoderCodec.load(join(folder, 'vae'))
    let index = 0
    const latents: { values: Float32Array }[] = []
    for await (const document of source.once()) {
      if ('error' in document) throw document.error
      const [text, image] = document.parts
      expect(text).toEqual({ type: 'text', text: index % 2 ? 'bag' : 'coat' })
      const path = join(folder, 'pictures', `${String(index++).padStart(2, '0')}.png`)
      const pixels = await readImage(path, { width: 32, height: 32 })
      const [moments] = await codec.encodeMoments([pixels])
      const { mean } = moments!
      const { values: expected } = mean
      const { values, unscaled } = image as LatentPart
      expect(unscaled).toBe(true)
      expect(values).toHaveLength(expected.length)
      const largest = Math.max(...expected.map(Math.abs))
      // bf16 keeps 8 bits.
      values.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(largest / 256))
      latents.push(mean)
    }
    codec[Symbol.dispose]()
    const { statistics } = await readLatentsIndex(join(folder, 'whole'))
    const { mean, std } = measuredScale(statistics)
    for (const [c, values] of [0, 1, 2, 3].map((c) => [
      c,
      latents.flatMap(({ values }) => Array.from(values.filter((_, i) => i % 4 === c))),
    ]) as [number, number[]][]) {
      const average = values.reduce((sum, value) => sum + value, 0) / values.length
      const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / values.length
      expect(mean[c]).toBeCloseTo(average, 12)
      expect(std[c]).toBeCloseTo(Math.sqrt(variance), 12)
      expect(statistics.least[c]).toBe(Math.min(...values))
      expect(statistics.greatest[c]).toBe(Math.max(...values))
    }

    const data = { type: 'latents' as const, path: join(folder, 'whole') }
    const run = await trainFromConfig({ ...config, data }, { out: join(folder, 'run') })
    expect(run).toMatchObject({ outcome: 'finished', steps: 3 })
    expect(await readdir(join(folder, 'run'))).toContain('samples-0000003.png')
    // Diffusers' factor is honoured, and the range is that of what it gives.
    const { scale } = await describeAutoencoder(join(folder, 'vae'))
    expect(await calibrationOf('run')).toMatchObject({ range: largestValue(statistics, scale) })
    expect(await calibrationOf('run')).not.toHaveProperty('scale')
    const model = { ...config.model, latentScale: 'measured' }
    await trainFromConfig({ ...config, model, data } as WrittenTrainConfig, { out: join(folder, 'measured') })
    expect((await calibrationOf('measured')).scale).toEqual({ mean, std, factor: 1 })
    using loaded = await Transfusion.load(join(folder, 'measured'))
    expect((loaded.codec as AutoencoderCodec).scale).toEqual({ mean, std, factor: 1 })
    expect(loaded.codec!.range![1]).toBe(largestValue(statistics, { mean, std, factor: 1 }))
    loaded[Symbol.dispose]()
    expect(memory().live).toBe(before)
  })

  it('goes on where it was stopped or killed, to the same files', async () => {
    await encode('once')
    const stop = new AbortController()
    const stopped = await encode('twice', {
      signal: stop.signal,
      onProgress: ({ images }) => images >= 16 && stop.abort(),
    })
    expect(stopped.complete).toBe(false)
    const out = join(folder, 'twice')
    await expect(openLatentsSource(out)).rejects.toThrow(
      `${out}: its encoding was stopped after ${stopped.documents} documents; the same transfusion encode goes on`,
    )
    // As a process that was killed while it wrote the next shard would leave it.
    await writeFile(join(out, 'latents-00001.safetensors'), 'half')
    const messages: string[] = []
    expect(await encode('twice', { onMessage: (line) => messages.push(line) })).toEqual({
      complete: true,
      documents: images,
    })
    expect(messages[0]).toBe(`going on after ${stopped.documents} documents`)
    expect(await filesOf(out)).toEqual(await filesOf(join(folder, 'once')))
  })

  it('refuses latents of other data and of another autoencoder, and names a shard that is damaged', async () => {
    await encode('of-one')
    const other = join(folder, 'other-vae')
    await cp(autoencoder, other, { recursive: true })
    const json = JSON.parse(await readFile(join(other, 'config.json'), 'utf8')) as object
    await writeFile(join(other, 'config.json'), JSON.stringify({ ...json, scaling_factor: 0.5 }))
    const withOther = { ...config, model: { ...config.model, autoencoder: other } } as WrittenTrainConfig
    const out = join(folder, 'of-one')
    await expect(encodeLatents(withOther, { out })).rejects.toThrow(
      `${out}: holds latents by another autoencoder; take another folder with --out`,
    )
    const data = { type: 'latents' as const, path: out }
    const train = (changes: object) =>
      trainFromConfig({ ...withOther, data, ...changes }, { out: join(folder, 'refused') })
    await expect(train({})).rejects.toThrow(
      `the latents of ${out} were made by another autoencoder than ${other}`,
    )
    await expect(train({ model: { ...config.model, autoencoder: undefined } })).rejects.toThrow(
      'model.autoencoder: expected the one that the latents of',
    )
    await expect(encodeLatents({ ...config, data }, { out })).rejects.toThrow('encoded already')
    await expect(
      encodeLatents({ ...config, model: { ...config.model, autoencoder: undefined } } as never, { out }),
    ).rejects.toThrow('model.autoencoder: expected the folder of one')

    const shard = join(out, 'latents-00000.safetensors')
    const { tensors } = await readSafetensors(shard)
    const { data: bits } = tensors.get('mean.0')!
    ;(bits as Uint16Array)[5] = 0x7fc0
    await writeSafetensors(shard, tensors)
    const { value } = await (await openLatentsSource(out)).once().next()
    expect((value as { error: Error }).error.message).toContain(`${shard}: tensor "mean.0" must be finite`)
    await rm(shard)
    const missing = await (await openLatentsSource(out)).once().next()
    expect((missing.value as { error: Error }).error.message).toContain(shard)
  })

  it('is a command', async () => {
    await writeFile(join(folder, 'config.json'), JSON.stringify(config))
    const told = await command(['encode', 'config.json', '--out', 'by-command', '--shard', '8'], {
      cwd: folder,
    })
    expect(told).toMatchObject({ code: 0, stdout: '20 documents are encoded in by-command\n' })
    expect((await readLatentsIndex(join(folder, 'by-command'))).complete).toBe(true)
    const again = await command(['encode', 'config.json', '--out', 'by-command'], { cwd: folder })
    expect(again.stdout).toContain('by-command: all is encoded')
  })
})
