import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { explainFullDisk } from '../files/atomic_file.js'
import type { Image } from './image.js'
import { encodePng } from './image_io.js'
import { makeFolder } from '../files/make_folder.js'

/**
 * A folder of numbered pictures, 0001.png, 0002.png ...: new ones are numbered on from those that are there, and no
 * file is ever written over. The folder is made for its first picture.
 */
export class PictureFolder {
  readonly #folder: string
  #next: number

  private constructor(folder: string, next: number) {
    this.#folder = folder
    this.#next = next
  }

  static async open(folder: string): Promise<PictureFolder> {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw new Error(`${folder}: pictures cannot be written there (${error.message})`, { cause: error })
    })
    const numbers = names.map((name) => Number(/^(\d+)[-.]/.exec(name)?.[1] ?? 0))
    return new PictureFolder(folder, numbers.reduce((most, number) => Math.max(most, number), 0) + 1)
  }

  /** A number for a picture to come. */
  reserve(): number {
    return this.#next++
  }

  /** Writes a picture under its number, or the next free one where another process has taken that; returns the path. */
  async write(number: number, image: Image): Promise<string> {
    const png = await encodePng(image)
    for (let free = number; ; free = this.reserve()) {
      const path = await this.#writeNew(numbered(free), png)
      if (path !== undefined) return path
    }
  }

  /** Writes how picture `number` stood after a step; undefined where there is such a file already. */
  async writePreview(number: number, step: number, image: Image): Promise<string | undefined> {
    return this.#writeNew(`${numbered(number)}-step-${String(step).padStart(4, '0')}`, await encodePng(image))
  }

  /** The path; undefined where the file exists. */
  async #writeNew(name: string, png: Buffer): Promise<string | undefined> {
    await makeFolder(this.#folder)
    const path = join(this.#folder, `${name}.png`)
    try {
      await writeFile(path, png, { flag: 'wx' })
      return path
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
      await rm(path, { force: true })
      throw await explainFullDisk(error as NodeJS.ErrnoException, path, png.length)
    }
  }
}

const numbered = (number: number): string => String(number).padStart(4, '0')
