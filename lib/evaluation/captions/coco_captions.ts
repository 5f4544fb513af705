import { dirname, join } from 'node:path'
import { z } from 'zod'
import { checkArguments, checkOptions } from '../../arguments.js'
import { parseConfig } from '../../config/parse.js'
import { formatKeys, formatValue } from '../../describe.js'
import { exists } from '../../files/exists.js'
import { readJson } from '../../files/json_file.js'

/** An image file with the captions that people wrote of it. */
export interface DescribedImage {
  /** Where it is. */
  readonly path: string
  /** One or more. */
  readonly references: readonly string[]
}

/** Which images of a captions file. */
export interface CocoOptions {
  /** The folder that the images' names are relative to; by default that of the captions file. */
  images?: string
  /** In Karpathy's files, whose images are each of a split: which one, 'test' by default. */
  split?: string
}

const text = z.string().refine((value) => value.trim() !== '', { error: 'expected a text' })
const id = z.union([z.int(), z.string()])

/** COCO's own annotations: captions_val2014.json. */
const annotationsSchema = z.object({
  images: z.array(z.object({ id, file_name: text })).min(1),
  annotations: z.array(z.object({ image_id: id, caption: text })),
})

/** Karpathy's: dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json. */
const karpathySchema = z.object({
  images: z
    .array(
      z.object({
        filename: text,
        filepath: z.string().optional(),
        split: text,
        sentences: z.array(z.object({ raw: text })).min(1),
      }),
    )
    .min(1),
})

/**
 * Reads the captions of images: COCO's annotations (`images` with `id` and `file_name`, `annotations` with `image_id` and
 * `caption`), or Karpathy's splits (`images` with `filename`, `split` and `sentences`). In the order of the file.
 *
 * @throws ConfigError that names what of the file is not as in these, Error that names an image without captions, a split that
 *   is not there or a file that cannot be read
 */
export async function readCocoCaptions(path: string, options: CocoOptions = {}): Promise<DescribedImage[]> {
  checkArguments('readCocoCaptions', { path: [path, 'string'] })
  checkOptions('readCocoCaptions', options, { images: true, split: true })
  const content = await readJson(path)
  const folder = options.images ?? dirname(path)
  if (hasKey(content, 'annotations')) return fromAnnotations(path, content, folder, options.split)
  if (isKarpathy(content)) return await fromKarpathy(path, content, folder, options.split ?? 'test')
  throw new Error(
    `${path}: expected COCO's captions ("images" and "annotations"), or Karpathy's ("images" with "sentences"); received ` +
      (typeof content === 'object' && content !== null
        ? `the keys ${formatKeys(content)}`
        : formatValue(content)),
  )
}

const hasKey = (content: unknown, key: string): boolean =>
  typeof content === 'object' && content !== null && key in content

const isKarpathy = (content: unknown): boolean => {
  const { images } = Object(content) as { images?: unknown }
  return Array.isArray(images) && hasKey(images[0], 'sentences')
}

function fromAnnotations(
  path: string,
  content: unknown,
  folder: string,
  split: string | undefined,
): DescribedImage[] {
  if (split !== undefined)
    throw new Error(`${path}: its images are of no split, received ${formatValue(split)}: leave split out`)
  const { images, annotations } = parseConfig(annotationsSchema, content, path)
  const references = new Map<string | number, string[]>(images.map((image) => [image.id, []]))
  for (const { image_id, caption } of annotations) {
    const known = references.get(image_id)
    if (!known) throw new Error(`${path}: a caption is of image ${image_id}, which is not among the images`)
    known.push(caption)
  }
  return images.map((image) => {
    const found = references.get(image.id)!
    if (found.length === 0) throw new Error(`${path}: image ${image.id} (${image.file_name}) has no caption`)
    return { path: join(folder, image.file_name), references: found }
  })
}

async function fromKarpathy(
  path: string,
  content: unknown,
  folder: string,
  split: string,
): Promise<DescribedImage[]> {
  const { images } = parseConfig(karpathySchema, content, path)
  const chosen = images.filter((image) => image.split === split)
  if (chosen.length === 0) {
    const splits = [...new Set(images.map((image) => image.split))].toSorted()
    throw new Error(`${path}: has no split ${formatValue(split)}: its splits are ${splits.join(', ')}`)
  }
  // Its paths begin with COCO's folder, which may be the one that is given.
  const { filepath = '', filename } = chosen[0]!
  const isBelow = await exists(join(folder, filepath, filename))
  return chosen.map((image) => ({
    path: join(folder, isBelow ? (image.filepath ?? '') : '', image.filename),
    references: image.sentences.map(({ raw }) => raw),
  }))
}
