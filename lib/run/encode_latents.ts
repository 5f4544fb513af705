/** The images of a config's data, encoded once by the model's autoencoder: `transfusion encode` for programs. */
import { isDeepStrictEqual } from 'node:util'
import { checkArguments, checkOptions } from '../arguments.js'
import { given } from '../config/given.js'
import { parseConfig } from '../config/parse.js'
import type { RawDocument } from '../data/document.js'
import {
  type LatentsIndex,
  readLatentsProgress,
  writeLatentsIndex,
} from '../data/sources/latents/latents_folder.js'
import type { DocumentSource, UnreadableDocument } from '../data/sources/document_source.js'
import { openSource } from '../datasets/data_config.js'
import { givenConfig } from './given_config.js'
import { noStatistics } from '../image/latent_statistics.js'
import { removeLeftovers } from '../files/atomic_file.js'
import { lockFolder } from '../files/folder_lock.js'
import { parseDevice } from '../tensor/device.js'
import { LatentsShard } from './latents_shard.js'
import { LeftOutReport } from './left_out_report.js'
import { type RunMessages, silent } from './messages.js'
import { generativeModelType } from './generative/model.js'
import { requireGenerative } from './model_runs.js'
import { trainConfigSchema, type WrittenTrainConfig } from './train_config.js'
import { unreadablePolicy } from './train_data.js'

/** How far an encoding is. */
export interface EncodingProgress {
  /** Documents that were read, those of earlier sessions included. */
  readonly documents: number
  /** Images that this session has encoded. */
  readonly images: number
  /** Documents in all, where that is known. */
  readonly total: number | undefined
}

/** Options of {@link encodeLatents}. */
export interface EncodeLatentsOptions extends Partial<RunMessages> {
  /** Where shards are written; default 'latents'. */
  out?: string
  /** Changes of the config, as `--set` takes them: "precision=bf16". */
  set?: readonly string[]
  /** Where the autoencoder computes, in place of the config's device. */
  device?: string
  /** Images of a shard; default 1024. */
  shard?: number
  /** Ends it after the images at hand; what is encoded is kept. */
  signal?: AbortSignal
  /** Told after each batch of images. */
  onProgress?: (progress: EncodingProgress) => void
}

/** Images that are decoded and encoded together. */
const atOnce = 16
/** Of a shard without images. */
const mostDocuments = 65_536

/**
 * Encodes the images of a training config's data by the autoencoder that its model names (`model.autoencoder`), and writes the
 * means and log-variances of their latents, as bf16, with the documents' texts into shards of a folder. Data of type "latents"
 * reads it. The same call goes on where an earlier one was stopped or killed. `config`: as for `trainFromConfig`. Resolves with
 * whether all of the data is encoded.
 *
 * @throws ConfigError that lists each wrong setting with what would be right
 * @throws Error where the folder is in use, holds other latents or those of another autoencoder, or a document cannot be read,
 *   unless the config says to leave such out
 */
export async function encodeLatents(
  config: string | WrittenTrainConfig,
  options: EncodeLatentsOptions = {},
): Promise<{ complete: boolean; documents: number }> {
  checkArguments('encodeLatents', { config: [config, 'configOrPath'] })
  checkOptions('encodeLatents', options, {
    out: true,
    set: true,
    device: true,
    shard: true,
    signal: true,
    onProgress: true,
    onMessage: true,
    onWarning: true,
  })
  const { out = 'latents', shard: perShard = 1024, signal, onProgress } = options
  if (!Number.isSafeInteger(perShard) || perShard < 1)
    throw new RangeError(`encodeLatents: shard must be a positive number of images, received ${perShard}`)
  const { onMessage, onWarning } = { ...silent, ...given(options) }
  const { name, written } = await givenConfig(config, options)
  const parsed = requireGenerative(
    parseConfig(trainConfigSchema, written, name),
    name,
    'the config is to be that of the model that reads the latents, whose model.autoencoder names the folder of a trained one',
  )
  parseDevice(parsed.device, name)
  const { data } = parsed
  if (data.type === 'mixture')
    throw new Error(
      `${name}: data: expected one source, as the weights of a mixture would be lost; encode each into a folder of its own, and ` +
        'mix these',
    )
  if (data.type === 'latents') throw new Error(`${name}: data: its images are encoded already`)
  using encoder = await generativeModelType(parsed.model).encoder(parsed, name)
  const source = await openSource(data)
  await using _ = await lockFolder(out, 'encoding latents')
  await removeLeftovers(out)
  const beginning = asJson({
    format: 'transfusion latents',
    autoencoder: encoder.checksums,
    channels: encoder.channels,
    downscale: encoder.downscale,
    preprocessing: encoder.preprocessing,
    data,
  } as const)
  const statistics = noStatistics(encoder.channels, encoder.imageChannels)
  let index: LatentsIndex = { ...beginning, statistics, complete: false, read: 0, shards: [] }
  const earlier = await readLatentsProgress(out)
  if (earlier) {
    refuseOther(earlier, beginning, out)
    index = earlier
    onMessage(earlier.complete ? `${out}: all is encoded` : `going on after ${earlier.read} documents`)
  }
  const leftOut = new LeftOutReport(onWarning)
  const onUnreadable = unreadablePolicy(parsed.loading, leftOut.onSkip)
  const isStopped = () => signal?.aborted === true
  const batches = batchesOf(source, index.read, onUnreadable)
  let images = 0
  try {
    while (!index.complete && !isStopped()) {
      const shard = new LatentsShard(out, index.shards.length, encoder, index.statistics)
      let { read } = index
      let complete = false
      while (!complete && !isStopped() && shard.images < perShard && shard.documents < mostDocuments) {
        const { done, value } = await batches.next()
        if (done) complete = true
        else {
          await shard.add(value.documents)
          images += countImages(value.documents)
          read = value.read
          onProgress?.({ documents: read, images, total: source.length })
        }
      }
      const counts = await shard.write()
      const shards = counts.documents > 0 ? [...index.shards, counts] : index.shards
      index = { ...index, statistics: shard.statistics, shards, read, complete }
      await writeLatentsIndex(out, index)
    }
  } finally {
    await batches.return(undefined)
  }
  for (const line of leftOut.summary([{ source }])) onMessage(line)
  return { complete: index.complete, documents: index.read }
}

/** Without what JSON has no place for: keys of undefined. */
const asJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

/** What is the same in every session of an encoding. */
type Beginning = Pick<LatentsIndex, 'autoencoder' | 'channels' | 'downscale' | 'preprocessing' | 'data'>

/** What each of them is called in messages. */
const meanings = {
  autoencoder: 'by another autoencoder',
  channels: 'of another number of channels',
  downscale: 'of another size',
  preprocessing: 'of images that were preprocessed in another way',
  data: 'of other data',
} as const satisfies Record<keyof Beginning, string>

function refuseOther(earlier: LatentsIndex, now: Beginning, out: string): void {
  for (const key of Object.keys(meanings) as (keyof Beginning)[])
    if (!isDeepStrictEqual(earlier[key], now[key]))
      throw new Error(`${out}: holds latents ${meanings[key]}; take another folder with --out`)
}

const countImages = (documents: readonly RawDocument[]) =>
  documents.reduce((sum, { parts }) => sum + parts.filter(({ type }) => type === 'image').length, 0)

/**
 * The documents of a source from number `first` on, in the order in which they are stored, so many images at once; `read`:
 * documents up to there, those that were left out among them.
 */
async function* batchesOf(
  source: DocumentSource,
  first: number,
  onUnreadable: (document: UnreadableDocument) => void,
): AsyncGenerator<{ documents: RawDocument[]; read: number }, undefined, undefined> {
  let documents: RawDocument[] = []
  let read = 0
  for await (const document of source.once()) {
    if (read++ < first) continue
    if ('error' in document) onUnreadable(document)
    else documents.push(document)
    if (countImages(documents) < atOnce && documents.length < mostDocuments) continue
    yield { documents, read }
    documents = []
  }
  if (read > first) yield { documents, read }
}
