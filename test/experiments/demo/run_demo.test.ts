import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runDemoTask } from '../../../lib/experiments/demo/run_demo.js'
import { emojiTask } from '../../../lib/experiments/demo/demo_emoji.js'
import { readImage } from '../../../lib/image/image_io.js'
import { openEmoji, splitEmoji } from '../../../lib/datasets/emoji/emoji.js'
import { Transfusion } from '../../../lib/transfusion.js'
import { metricDescriptions } from '../../../lib/reporting/report/metric_descriptions.js'
import { temporaryFolder } from '../../temporary_folder.js'

it('trains on emoji for some seconds, evaluates the model, and writes pictures, metrics and the model', async () => {
  const { training, heldOut } = await openEmoji()
  const names = new Set(heldOut.pictures.slice(0, 6).map(({ name }) => name))
  const all = [...training.pictures, ...heldOut.pictures]
  // The six held-out names, and a hundred others.
  const data = splitEmoji(all.filter(({ name }, i) => names.has(name) || i < 200))
  const out = await temporaryFolder()
  const task = emojiTask(data, { minutes: 0.05, seed: 4 })
  // Few denoising steps: the images of the evaluation take long enough.
  await runDemoTask({ ...task, images: { steps: 5 } }, { out })

  const json = async (file: string) => JSON.parse(await readFile(join(out, file), 'utf8'))
  expect(await json('config.json')).toMatchObject({
    data: 'emoji',
    model: { image: { channels: 3, height: 32, width: 32 } },
    training: { minutes: 0.05, seed: 4 },
  })
  const metrics = (await json('final_metrics.json')) as Record<string, number>
  expect(Object.keys(metrics)).toContain('held_out_group_accuracy')
  expect(Object.keys(metrics).filter((name) => !(name in metricDescriptions))).toEqual([])
  expect(Object.values(metrics).every(Number.isFinite)).toBe(true)
  expect(metrics['train_steps']).toBeGreaterThan(0)

  const sheet = await readImage(join(out, 'samples.png'), { width: 100, height: 100, channels: 3 })
  const isColoured = (i: number) => sheet.data[3 * i] !== sheet.data[3 * i + 1]
  expect(Array.from({ length: 10_000 }, (_, i) => i).some(isColoured)).toBe(true)
  expect(await readdir(out)).toEqual(expect.arrayContaining(['metrics.jsonl', 'report.html', 'run.json']))

  using model = await Transfusion.load(join(out, 'model'))
  const [image] = await model.generateImages(['fluent, airplane'], [0], { steps: 2 })
  expect(image).toMatchObject({ width: 32, height: 32, channels: 3 })
})
