import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeCaptionTokenizer } from '../../lib/tokenizer/caption_tokenizer.js'
import { Transfusion } from '../../lib/transfusion.js'
import { idxFile } from '../data/sources/idx/idx_file.js'
import { generator } from '../host_array.js'

const side = 8
export const classNames = ['stripe', 'arch']
export const captions = ['a stripe', 'an arch']

/** Writes images in two classes, and returns them as a config names them. */
export const writeClasses = async (folder: string) => ({
  type: 'idx',
  training: await writeSplit(folder, 'train', 128, 1),
  test: await writeSplit(folder, 'test', 30, 2),
  classNames,
})

/** Writes a model with random weights for such images. */
export async function saveClassModel(folder: string, process: 'ddpm' | 'flow' = 'ddpm'): Promise<void> {
  const image = { channels: 1, patch: 4, height: side, width: side }
  const sizes = { layers: 1, channels: 32, heads: 2, feedForward: 48, image }
  const objective = process === 'flow' ? ({ process, prediction: 'velocity' } as const) : {}
  using model = Transfusion.create(sizes, makeCaptionTokenizer(captions), { seed: 3, objective })
  await model.save(folder)
}

/** Images of two kinds: bright on the left, or bright at the top. */
async function writeSplit(folder: string, name: string, count: number, seed: number) {
  const next = generator(seed)
  const pixels = Array.from({ length: count * side * side }, (_, i) => {
    const [row, column] = [Math.floor(i / side) % side, i % side]
    const isBright = (Math.floor(i / side ** 2) % 2 === 0 ? column : row) < side / 2
    return (isBright ? 160 : 20) + 60 * next()
  })
  const paths = { images: join(folder, `${name}-images`), labels: join(folder, `${name}-labels`) }
  await writeFile(paths.images, idxFile([count, side, side], pixels))
  await writeFile(
    paths.labels,
    idxFile(
      [count],
      Array.from({ length: count }, (_, i) => i % 2),
    ),
  )
  return paths
}
