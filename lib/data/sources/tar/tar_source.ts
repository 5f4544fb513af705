import { checkArguments, checkOptions } from '../../../arguments.js'
import { randomWords } from '../../../random.js'
import { LeftOut } from '../../left_out.js'
import { sampleIndex } from '../../sample_order.js'
import {
  type CaptionPolicy,
  cursorNumber,
  type DocumentSource,
  type SourceCursor,
  type SourceItem,
  type UnreadableDocument,
} from '../document_source.js'
import { checkFileType, endingsOf } from '../files/data_types.js'
import { listFiles } from '../files/file_list.js'
import { readTar } from './tar_records.js'
import type { RawDocument } from '../../document.js'

/** Where tar files in the layout of WebDataset lie. */
export interface TarOptions {
  /** Files, folders of `.tar`, `.tar.gz` and `.tgz` files, or patterns: `*`, `?`, `**`, `{000..127}`, `{a,b}`. */
  readonly path: string | readonly string[]
  /** Records that are read and shuffled together; memory holds so many encoded images. Default 1000. */
  readonly shuffleBuffer?: number
  /** Whether a record without a caption cannot be read, the default, or records are images alone. */
  readonly captions?: CaptionPolicy
}

type Document = RawDocument | UnreadableDocument

/** A block of records ends when it holds so many bytes, however few the records are (our choice). */
const largestBlock = 2 ** 28

/**
 * Images and captions in tar files of WebDataset's layout (`00042.png`, `00042.txt`), read as streams. Each epoch takes the
 * files in a shuffled order, and the records of a file in blocks, each of which is shuffled. The cursor is
 * `{ shard, record, index }`: files read so far, records of the file before the block, and documents of the block: to
 * resume, one file is read up to the block.
 */
export async function openTarSource(options: TarOptions): Promise<DocumentSource> {
  checkArguments('openTarSource', { options: [options, 'object'] })
  checkOptions('openTarSource', options, { path: true, shuffleBuffer: true, captions: true })
  const { path, shuffleBuffer = 1000, captions = 'required' } = options
  const leftOut = new LeftOut()
  const files = await listFiles(path, endingsOf('tar'), { type: 'tar', leftOut })
  for (const file of files) checkFileType(file, 'tar')
  return {
    leftOut,
    async *read(seed: number, cursor: SourceCursor = { shard: 0, record: 0, index: 0 }) {
      let record = cursorNumber(cursor, 'record')
      let index = cursorNumber(cursor, 'index')
      for (let shard = cursorNumber(cursor, 'shard'); ; shard++, record = index = 0) {
        const file = files[sampleIndex(shard, files.length, seed)]!
        const records = (skip: number) => readTar(file, skip, leftOut, captions)
        yield* readShard(file, records, seed, { shard, record, index }, shuffleBuffer)
      }
    },
    async *once() {
      for (const file of files) yield* readTar(file, 0, leftOut, captions)
    },
  }
}

interface Place {
  readonly shard: number
  readonly record: number
  readonly index: number
}

async function* readShard(
  file: string,
  records: (skip: number) => AsyncIterable<Document>,
  seed: number,
  from: Place,
  shuffleBuffer: number,
): AsyncGenerator<SourceItem, void, undefined> {
  const { shard } = from
  let { record, index } = from
  for await (const block of blocksOf(records(record), shuffleBuffer)) {
    const blockSeed = seedOfBlock(seed, shard, record)
    const end = record + block.length
    for (; index < block.length; index++) {
      const last = index + 1 === block.length
      const next = last ? { shard, record: end, index: 0 } : { shard, record, index: index + 1 }
      yield { document: block[sampleIndex(index, block.length, blockSeed)]!, next }
    }
    record = end
    index = 0
  }
  if (record > 0) return
  const error = new Error(`${file}: holds no images with captions`)
  yield { document: { name: file, error }, next: { shard: shard + 1, record: 0, index: 0 } }
}

async function* blocksOf(
  records: AsyncIterable<Document>,
  length: number,
): AsyncGenerator<Document[], void, undefined> {
  let block: Document[] = []
  let bytes = 0
  for await (const document of records) {
    block.push(document)
    bytes += encodedBytes(document)
    if (block.length < length && bytes < largestBlock) continue
    yield block
    block = []
    bytes = 0
  }
  if (block.length > 0) yield block
}

function encodedBytes(document: Document): number {
  if ('error' in document) return 0
  return document.parts.reduce((sum, part) => sum + ('bytes' in part ? part.bytes.length : 0), 0)
}

/** 53 random bits. */
function seedOfBlock(seed: number, shard: number, record: number): number {
  const [high, low] = randomWords(seed, 'shuffle', shard, record)
  return high! * 2 ** 21 + (low! >>> 11)
}
