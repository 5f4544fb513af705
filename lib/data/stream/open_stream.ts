import { checkArguments, checkOptions } from '../../arguments.js'
import type { DocumentStream, StreamState } from '../document_stream.js'
import type { ImagePreprocessingOptions } from '../../image/image_preprocessing.js'
import type { DocumentSource, UnreadableDocument } from '../sources/document_source.js'
import type { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import type { PositionsOf } from './chunks.js'
import { inlinePreprocessor } from './preprocessor.js'
import { PreprocessorPool } from './preprocessor_pool.js'
import { SourceReader } from './source_reader.js'

/** A source and its share of a mixture. */
export interface WeightedSource {
  /** What is read. */
  readonly source: DocumentSource
  /** Positions taken from it for each that is taken from a source of weight 1. */
  readonly weight: number
}

/** How sources become a stream of what a model is trained on. */
export interface StreamOptions {
  /** Of the model. Undefined: it reads no texts, which are left out of documents. */
  readonly tokenizer: JsonTokenizer | undefined
  /** What image files are made; pixels stay as they are. Undefined: image files cannot be read. */
  readonly image: ImagePreprocessingOptions | undefined
  /** How long a document is, which weights and limits count in. */
  readonly positionsOf: PositionsOf
  /** The most positions of a document; longer texts are cut. Default: no limit. */
  readonly longest?: number
  /** The order of documents follows from it. */
  readonly seed: number
  /** Where to go on, as an earlier stream of the same sources and options gave it. */
  readonly state?: StreamState
  /** Threads that tokenize and decode; 0, the default: this one does. No result depends on it. */
  readonly workers?: number
  /** A document that cannot be read rejects `next`, or is left out and counted. Default 'stop'. */
  readonly onUnreadable?: 'stop' | 'skip'
  /** Told of each document that is left out. */
  readonly onSkip?: (document: UnreadableDocument) => void
}

const optionKeys = {
  tokenizer: true,
  image: true,
  positionsOf: true,
  longest: true,
  seed: true,
  state: true,
  workers: true,
  onUnreadable: true,
  onSkip: true,
} as const

/** Documents of each source that are preprocessed in advance, for each thread (our choice). */
const defaultLookAhead = 16

/**
 * A mixture of sources as a stream of documents. The next document comes from the source that has given the fewest
 * positions for its weight, the first of them where several have: weights are shares of positions (the paper: text
 * and image positions 1:1), however long the documents are.
 * @throws RangeError where `state` is of other sources, and the error of a document that is known to be unreadable where
 * such documents are to stop it
 */
export function openStream(sources: readonly WeightedSource[], options: StreamOptions): DocumentStream {
  checkArguments('openStream', { sources: [sources, 'array'], options: [options, 'object'] })
  checkOptions('openStream', options, optionKeys)
  for (const [i, weighted] of sources.entries()) {
    checkArguments('openStream', { [`sources[${i}]`]: [weighted, 'weighted'] })
    checkOptions('openStream', weighted, { source: true, weight: true }, `sources[${i}]`)
  }
  const { tokenizer, image, positionsOf, longest = Infinity, seed, state, workers = 0, onSkip } = options
  checkSources(sources, state)
  const onUnreadable = (document: UnreadableDocument) => {
    if (options.onUnreadable !== 'skip') throw document.error
    onSkip?.(document)
  }
  for (const { source } of sources) source.unreadable?.forEach(onUnreadable)
  const preprocessor =
    workers === 0 ? inlinePreprocessor(tokenizer, image) : new PreprocessorPool(tokenizer, image, workers)
  const readerOptions = {
    seed,
    preprocessor,
    positionsOf,
    longest,
    lookAhead: defaultLookAhead * Math.max(1, workers),
    onUnreadable,
  }
  const readers = sources.map(({ source }, i) => new SourceReader(source, readerOptions, state?.sources[i]))
  let ended: Error | undefined
  return {
    async next() {
      if (ended) throw ended
      try {
        const document = await readers[leastServed(readers, sources)]!.next()
        if (ended) throw ended
        return { document, state: { sources: readers.map((reader) => reader.state) } }
      } catch (error) {
        throw (ended ??= error as Error)
      }
    },
    async close() {
      ended = new Error('the stream of documents was closed')
      await preprocessor.close()
      await Promise.all(readers.map((reader) => reader.close()))
    },
  }
}

function checkSources(sources: readonly WeightedSource[], state: StreamState | undefined): void {
  if (sources.length === 0)
    throw new RangeError('openStream: sources must have a source or more, received none')
  for (const { weight } of sources) {
    if (!(weight > 0 && weight < Infinity))
      throw new RangeError(`openStream: each weight must be positive and finite, received ${weight}`)
  }
  if (state && state.sources.length !== sources.length) {
    throw new RangeError(
      `openStream: state must be of ${sources.length} sources, as many as there are, received one of ` +
        `${state.sources.length}: the data was changed since`,
    )
  }
}

function leastServed(readers: readonly SourceReader[], sources: readonly WeightedSource[]): number {
  let least = 0
  const served = (i: number) => readers[i]!.positions / sources[i]!.weight
  for (let i = 1; i < readers.length; i++) if (served(i) < served(least)) least = i
  return least
}
