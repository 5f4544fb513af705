import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { idxFile } from '../data/sources/idx/idx_file.js'

/** Writes eight pictures of two classes, 8 x 8 pixels each, into a folder, as IDX files. */
export async function writePictures(folder: string): Promise<void> {
  const pixels = Array.from({ length: 8 * 64 }, (_, i) =>
    i % 8 < 4 === (i >> 6) % 2 > 0 ? 220 : 20 + (i >> 6),
  )
  await writeFile(join(folder, 'images'), idxFile([8, 8, 8], pixels))
  await writeFile(join(folder, 'labels'), idxFile([8], [0, 1, 0, 1, 0, 1, 0, 1]))
}

/** The parts of a train config that say what is trained on: these pictures, and a model of one block. */
export const tinyRun = (folder: string) => ({
  data: {
    type: 'idx' as const,
    images: join(folder, 'images'),
    labels: join(folder, 'labels'),
    classNames: ['bag', 'coat'],
  },
  model: {
    layers: 1,
    channels: 32,
    heads: 2,
    feedForward: 64,
    image: { channels: 1, patch: 4, height: 8, width: 8 },
  },
})
