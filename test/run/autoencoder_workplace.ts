import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writePng } from '../../lib/image/image_io.js'
import type { WrittenTrainConfig } from '../../lib/run/train_config.js'
import { temporaryFolder } from '../temporary_folder.js'

/** A folder with captioned pictures of 16 x 16 pixels, and a config of an autoencoder for them. */
export async function picturesWorkplace(training: object = {}, more: object = {}) {
  const folder = await temporaryFolder()
  const pictures = join(folder, 'pictures')
  await mkdir(pictures)
  for (let i = 0; i < 6; i++) {
    const data = Uint8Array.from(
      { length: 16 * 16 * 3 },
      (_, at) => ((at % 3) * 60 + i * 37 + (at % 48)) % 256,
    )
    await writePng(join(pictures, `${i}.png`), { width: 16, height: 16, channels: 3, data })
    await writeFile(join(pictures, `${i}.txt`), `picture ${i}`)
  }
  const config: WrittenTrainConfig = {
    data: { type: 'folder', path: pictures },
    model: { type: 'autoencoder', channels: [8, 16], blocks: 1, latentChannels: 2, groups: 4 },
    imagePreprocessing: { width: 16, height: 16 },
    training: { steps: 4, batchSize: 4, ema: 0.5, learningRate: { peak: 3e-3, warmupSteps: 2 }, ...training },
    samples: { every: 2, count: 3 },
    checkpoints: { every: 2 },
    ...more,
  }
  return { folder, config }
}
