import { z } from 'zod'
import { checkArguments } from '../arguments.js'
import { parseConfig } from '../config/parse.js'
import { filePath } from '../config/paths.js'
import { emojiSide } from './emoji/emoji.js'
import { openEmojiSource } from './emoji/emoji_source.js'
import { findFashionMnist, openMnist } from './fashion_mnist.js'
import { datasetSource } from '../data/sources/dataset_source.js'
import type { CaptionPolicy, DocumentSource } from '../data/sources/document_source.js'
import { openFolderSource } from '../data/sources/folder/folder_source.js'
import { IdxDataset } from '../data/sources/idx/idx_dataset.js'
import { openJsonlSource } from '../data/sources/jsonl/jsonl_source.js'
import { openLatentsSource } from '../data/sources/latents/latents_source.js'
import { openTarSource } from '../data/sources/tar/tar_source.js'
import { openTextSource } from '../data/sources/text_source.js'
import { smallestSide } from './shapes/render.js'
import { shapesSource } from './shapes/shapes_source.js'
import type { WeightedSource } from '../data/stream/open_stream.js'

/** A file, a folder, a pattern (*, ?, **, {000..127}, {a,b}), or a list of these. */
const paths = z.union([filePath, z.array(filePath).min(1)])

/** Captions; {label} and {a label} stand for the class's name. */
const templates = z.array(z.string()).min(1).default(['{a label}'])

/** Black pixels added on each side, for patches that do not divide the images' size. */
export const paddingSchema = z.int().min(0).default(0)

/** How IDX files differ from MNIST's. */
export const idxLayout = {
  /** The number of the first label: 1 for EMNIST's "letters". */
  firstLabel: z.int().min(0).max(255).default(0),
  /** Whether images are stored column by column, as EMNIST's are. */
  transpose: z.boolean().default(false),
}

/** The demo's data: 60,000 garments and shoes, 28 x 28 pixels of gray. */
const fashionMnist = z.strictObject({ type: z.literal('fashion-mnist'), templates, padding: paddingSchema })

/** Any data set in MNIST's format. */
const idx = z.strictObject({
  type: z.literal('idx'),
  /** IDX file of the images. */
  images: filePath,
  /** IDX file with the class of each image. */
  labels: filePath,
  /** What stands for each class in captions, from class 0. */
  classNames: z.array(z.string()).min(1),
  templates,
  padding: paddingSchema,
  ...idxLayout,
})

/** Images with their captions beside them. */
const folder = z.strictObject({
  type: z.literal('folder'),
  /** Holds, at any depth, name.png (or .jpg, .webp, .gif, .tiff, .avif, .svg) beside name.txt (or .caption, .json). */
  path: filePath,
})

/** Documents of text and images in any order. */
const jsonl = z.strictObject({
  type: z.literal('jsonl'),
  /**
   * One document on each line: {"parts": ["text", {"image": "a.png"}]}, {"image": ..., "caption": ...}, {"text": ...},
   * {"images": [...], "text": "<image> ..."} or {"images": [...], "messages": [...]}.
   */
  path: paths,
  /** The key of a document's text. */
  field: z.string().min(1).default('text'),
})

/** Plain text files. */
const text = z.strictObject({
  type: z.literal('text'),
  path: paths,
  /** What stands between two documents of a file; without it, a file is one. */
  separator: z.string().min(1).optional(),
})

/** Shards that are read as streams. */
const tar = z.strictObject({
  type: z.literal('tar'),
  /** WebDataset's layout: 00042.jpg and 00042.txt (or .caption, .json) in a row. */
  path: paths,
  /** Records that are shuffled together. */
  shuffleBuffer: z.int().positive().default(1000),
})

/** Images that were encoded before, with their texts. */
const latents = z.strictObject({
  type: z.literal('latents'),
  /** A folder that `transfusion encode` wrote, with the autoencoder that the model has. */
  path: filePath,
})

/** A task's share of the documents, to those of the others. */
const taskWeight = z.number().min(0)

/** Pictures of coloured shapes, rendered as they are read, with captions in GenEval's six kinds. */
const shapes = z.strictObject({
  type: z.literal('shapes'),
  /** Width and height of the pictures, pixels. */
  size: z.int().min(smallestSide).default(smallestSide),
  /** Each document follows from it and from its number alone. */
  seed: z.int().min(0).default(0),
  /** What the documents are, as weights: a caption of a picture, a question on one with its answer, an edit of one. */
  tasks: z
    .strictObject({
      caption: taskWeight.default(1),
      question: taskWeight.default(0),
      edit: taskWeight.default(0),
    })
    .refine((weights) => Object.values(weights).some((weight) => weight > 0), {
      error: 'expected a weight above 0',
    })
    .prefault({}),
  /** Documents of an epoch; without it, every document is new. */
  count: z.int().positive().optional(),
})

/** Emoji in the styles of Noto and Fluent, in colour; those that are held out are in no document. */
const emoji = z.strictObject({
  type: z.literal('emoji'),
  /** Width and height of the pictures, pixels. */
  size: z.int().min(1).default(emojiSide),
  /** Each document follows from it and from its number alone. */
  seed: z.int().min(0).default(0),
  /** What the documents are, as weights: a caption of a picture, an edit of one (grey, turned, mirrored, inverted, other style). */
  tasks: z
    .strictObject({
      caption: taskWeight.default(1),
      edit: taskWeight.default(0),
    })
    .refine((weights) => Object.values(weights).some((weight) => weight > 0), {
      error: 'expected a weight above 0',
    })
    .prefault({}),
  /** Documents of an epoch; the paper fine-tunes on 8,000 edits (section 4.5). */
  count: z.int().positive().default(8000),
})

/** Positions (tokens and patches) taken from a source for each that is taken from a source of weight 1. */
const weight = z.number().positive().default(1)

/** Several sources with weights, which are shares of positions. */
const mixture = z.strictObject({
  type: z.literal('mixture'),
  /** Each as above, with a weight. */
  sources: z
    .array(
      z.discriminatedUnion('type', [
        fashionMnist.extend({ weight }),
        idx.extend({ weight }),
        folder.extend({ weight }),
        jsonl.extend({ weight }),
        text.extend({ weight }),
        tar.extend({ weight }),
        latents.extend({ weight }),
        shapes.extend({ weight }),
        emoji.extend({ weight }),
      ]),
    )
    .min(1),
})

/** One source of documents. */
export const sourceSchema = z.discriminatedUnion('type', [
  fashionMnist,
  idx,
  folder,
  jsonl,
  text,
  tar,
  latents,
  shapes,
  emoji,
])

/** What to train on: one source of documents, or several with their weights. Paths are relative to the config file. */
export const dataSchema = z.discriminatedUnion('type', [...sourceSchema.options, mixture])

/** How documents are read. */
export const loadingSchema = z.strictObject({
  /** A document that cannot be read ends training, or is left out and counted. */
  onUnreadable: z.enum(['stop', 'skip']).default('stop'),
  /** Threads that decode and tokenize; by default one where there are images or texts on disk. */
  workers: z.int().min(0).max(64).optional(),
})

/** How documents are read, defaults filled in. */
export type LoadingConfig = z.output<typeof loadingSchema>
export type SourceConfig = z.output<typeof sourceSchema>
/** The data of a training config, defaults filled in: a source, or a mixture of them with weights. @useDeclaredType */
export type DataConfig = z.output<typeof dataSchema>

/** How sources are opened. */
export interface OpenSourceOptions {
  /** What becomes of images in folders and tar files beside which there is no caption; 'required' by default. */
  captions?: CaptionPolicy
}

/** Opens one source. Rejects with an Error that names the file or folder that is missing or cannot be read. */
export async function openSource(
  config: SourceConfig,
  { captions = 'required' }: OpenSourceOptions = {},
): Promise<DocumentSource> {
  switch (config.type) {
    case 'fashion-mnist': {
      const { templates, padding } = config
      return datasetSource(await openMnist(await findFashionMnist(), 'train', templates, padding))
    }
    case 'idx': {
      const { type: _type, images, labels, ...rest } = config
      return datasetSource(await IdxDataset.open({ ...rest, imagesPath: images, labelsPath: labels }))
    }
    case 'folder':
      return openFolderSource(config.path, { captions })
    case 'jsonl': {
      const { path, field } = config
      return openJsonlSource({ path, field })
    }
    case 'text': {
      const { path, separator } = config
      return openTextSource({ path, separator })
    }
    case 'tar': {
      const { path, shuffleBuffer } = config
      return openTarSource({ path, shuffleBuffer, captions })
    }
    case 'latents':
      return openLatentsSource(config.path)
    case 'emoji': {
      const { type: _type, ...options } = config
      return openEmojiSource(options)
    }
    case 'shapes': {
      const { type: _type, count, ...options } = config
      return shapesSource(options, count)
    }
  }
}

/** Opens all sources, for `openStream` and `textsOf`. Rejects with an Error that names what cannot be read. */
export async function openSources(
  data: DataConfig,
  options: OpenSourceOptions = {},
): Promise<WeightedSource[]> {
  checkArguments('openSources', { data: [data, 'object'] })
  parseConfig(dataSchema, data, 'data')
  if (data.type !== 'mixture') return [{ source: await openSource(data, options), weight: 1 }]
  const sources: WeightedSource[] = []
  for (const { weight: share, ...config } of data.sources)
    sources.push({ source: await openSource(config, options), weight: share })
  return sources
}

/** How many threads preprocess documents where the config does not say: none for images that are in memory. */
export function defaultWorkers(data: DataConfig): number {
  const inMemory = ({ type }: { type: string }) => ['fashion-mnist', 'idx', 'shapes', 'emoji'].includes(type)
  return (data.type === 'mixture' ? data.sources : [data]).every(inMemory) ? 0 : 1
}
