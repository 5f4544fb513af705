import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { type EmojiData, openEmoji, splitEmoji } from '../../../lib/datasets/emoji/emoji.js'
import { compareLatentsOf, comparisonPaths } from '../../../lib/experiments/latents/compare_latents.js'
import { latentsPaths, runLatents, runLatentsDemo } from '../../../lib/experiments/latents/latents_demo.js'
import { readImage } from '../../../lib/image/image_io.js'
import { metricDescriptions } from '../../../lib/reporting/report/metric_descriptions.js'
import { Transfusion } from '../../../lib/transfusion.js'
import { temporaryFolder } from '../../temporary_folder.js'

const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'))

/** Three held-out names, and a few others. */
let data: EmojiData
beforeAll(async () => {
  const { training, heldOut } = await openEmoji(64)
  const names = new Set(heldOut.pictures.slice(0, 3).map(({ name }) => name))
  const all = [...training.pictures, ...heldOut.pictures]
  data = splitEmoji(all.filter(({ name }, i) => names.has(name) || i < 12))
})

it('compares latents with pixels and codes in equal time, and goes on where it was', async () => {
  const out = await temporaryFolder()
  const settings = { minutes: 0.02, seed: 4, images: { steps: 2 } }
  // Stopped within the first autoencoder's training, whose checkpoint the same call goes on from.
  const { latents: demo } = comparisonPaths(out)
  const { autoencoder, latents } = latentsPaths(demo, 64)
  const stop = new AbortController()
  const stopped = await runLatents(
    data,
    { ...settings, side: 64 },
    { out: demo, signal: stop.signal, onStep: () => stop.abort() },
  )
  expect(stopped).toBeUndefined()
  const messages: string[] = []
  const onMessage = (line: string) => messages.push(line)
  const table = await compareLatentsOf(data, { ...settings, out, onMessage })
  expect(messages.some((line) => line.includes('going on from step 1'))).toBe(true)

  expect(await readFile(join(out, 'table.md'), 'utf8')).toBe(table)
  const rows = table.split('\n').filter((line) => /^\| (pixels|latents|KL|VQ) /.test(line))
  const cells = rows.map((line) => line.split('|').map((cell) => cell.trim()))
  expect(cells.map(([, name]) => name)).toEqual(['pixels', 'latents', 'KL', 'VQ'])
  const [pixels, ofLatents, kl, vq] = cells.map((row) => row.slice(2, -1))
  // The time of the autoencoder is that of the other table, and pixels have none.
  expect([pixels![0], ofLatents![0]]).toEqual(['', kl![0]])
  const codes = (row: string[]) => row.slice(-2).map(Number)
  expect(codes(kl!)).toEqual([0, 0])
  const [used, perplexity] = codes(vq!) as [number, number]
  expect(used).toBeGreaterThan(0)
  expect(used).toBeLessThanOrEqual(1024)
  expect(perplexity).toBeLessThanOrEqual(used)

  const metrics = (await json(join(demo, 'final_metrics.json'))) as Record<string, number>
  const names = ['psnr', 'ssim', 'rfid', 'preview_psnr', 'held_out_group_accuracy', 'autoencoder_seconds']
  expect(Object.keys(metrics)).toEqual(expect.arrayContaining(names))
  expect(Object.keys(metrics).filter((name) => !(name in metricDescriptions))).toEqual([])
  expect(Object.values(metrics).every(Number.isFinite)).toBe(true)
  expect(await readdir(latents)).toContain('latents-00000.safetensors')
  for (const folder of [out, demo, autoencoder])
    expect((await readImage(join(folder, 'samples.png'), { width: 9, height: 9, channels: 3 })).width).toBe(9)
  using model = await Transfusion.load(join(demo, 'model'))
  const [image] = await model.generateImages(['fluent, airplane'], [0], { steps: 1 })
  expect(image).toMatchObject({ width: 64, height: 64, channels: 3 })

  // Nothing is left to do.
  const { mtimeMs } = await stat(join(demo, 'final_metrics.json'))
  const again = await runLatents(data, { ...settings, side: 64 }, { out: demo })
  expect(again!.model).toEqual(metrics)
  expect((await stat(join(demo, 'final_metrics.json'))).mtimeMs).toBe(mtimeMs)
})

it('refuses sizes that there is no autoencoder for', async () => {
  const options = { out: await temporaryFolder() }
  await expect(runLatentsDemo({ minutes: 1, seed: 0, side: 32 }, options)).rejects.toThrow(
    'runLatentsDemo: side must be 64, 128 or 256, received 32',
  )
})
