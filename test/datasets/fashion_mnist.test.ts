import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { fashionClasses, findFashionMnist, openMnist } from '../../lib/datasets/fashion_mnist.js'
import { temporaryFolder } from '../temporary_folder.js'
import { idxFile } from '../data/sources/idx/idx_file.js'

/** A folder laid out as the data set's, with 2 training images and 1 test image. */
async function miniature(suffix: '' | '.gz'): Promise<string> {
  const folder = await temporaryFolder()
  const write = (name: string, bytes: Buffer) =>
    writeFile(join(folder, `${name}${suffix}`), suffix === '.gz' ? gzipSync(bytes) : bytes)
  await write('train-images-idx3-ubyte', idxFile([2, 1, 1], [50, 60]))
  await write('train-labels-idx1-ubyte', idxFile([2], [9, 0]))
  await write('t10k-images-idx3-ubyte', idxFile([1, 1, 1], [70]))
  await write('t10k-labels-idx1-ubyte', idxFile([1], [1]))
  return folder
}

describe('findFashionMnist', () => {
  it.each(['', '.gz'] as const)('opens both splits of a folder whose files end in "%s"', async (suffix) => {
    const folder = await miniature(suffix)
    const files = await findFashionMnist([await temporaryFolder(), folder])
    expect(files).toEqual({ name: 'Fashion-MNIST', folder, suffix, classNames: fashionClasses })
    const train = await openMnist(files, 'train', ['a photo of {a label}'])
    const test = await openMnist(files, 'test', ['a photo of {a label}'])
    expect(Array.from({ length: train.length }, (_, i) => train.get(i).parts[0])).toEqual([
      { type: 'text', text: 'a photo of an ankle boot' },
      { type: 'text', text: 'a photo of a t-shirt' },
    ])
    expect([test.length, test.image(0).data[0], test.label(0)]).toEqual([1, 70, 1])
  })

  it('has a name for each of the ten classes', () => expect(new Set(fashionClasses).size).toBe(10))
})
