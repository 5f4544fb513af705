import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { writePng } from '../../lib/image/image_io.js'
import { trainFromConfig } from '../../lib/run/train_from_config.js'
import type { WrittenTrainConfig } from '../../lib/run/train_config.js'
import { temporaryFolder } from '../temporary_folder.js'

it('trains an autoencoder and its discriminator by a config as the CPU does', async () => {
  const folder = await temporaryFolder()
  const pictures = join(folder, 'pictures')
  await mkdir(pictures)
  for (let i = 0; i < 2; i++) {
    const data = Uint8Array.from({ length: 8 * 8 * 3 }, (_, at) => (at * (7 + i)) % 256)
    await writePng(join(pictures, `${i}.png`), { width: 8, height: 8, channels: 3, data })
  }
  const losses: number[][] = []
  for (const device of ['cpu', 'cuda'] as const) {
    const config: WrittenTrainConfig = {
      data: { type: 'folder', path: pictures },
      loading: { workers: 0 },
      model: { type: 'autoencoder', channels: [4, 8], blocks: 1, latentChannels: 2, groups: 2 },
      imagePreprocessing: { width: 8, height: 8 },
      device,
      training: { steps: 2, batchSize: 2, loss: { discriminator: { start: 1, channels: 2, layers: 1 } } },
      samples: { every: 2 },
    }
    const terms: number[] = []
    const out = join(folder, device)
    await trainFromConfig(config, { out, onStep: (report) => terms.push(...Object.values(report.terms)) })
    losses.push(terms)
    const { latents_std } = JSON.parse(await readFile(join(out, 'model/config.json'), 'utf8')) as {
      latents_std: number[]
    }
    expect(latents_std).toHaveLength(2)
  }
  const [expected, found] = losses as [number[], number[]]
  expect(found).toHaveLength(expected.length)
  found.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 3))
})
