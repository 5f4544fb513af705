import { type DataConfig, defaultWorkers, type LoadingConfig } from '../datasets/data_config.js'
import { textsOf, type UnreadableDocument } from '../data/sources/document_source.js'
import { openStream, type WeightedSource } from '../data/stream/open_stream.js'
import type { ModelStreamOptions, OpenTrainingStream, RunData } from './run_model.js'

/** What of a config says what is read, and how. */
interface DataSettings {
  readonly data: DataConfig
  readonly loading: LoadingConfig
}

/** What opens the stream of documents that a run trains on. */
export function streamOpener(
  { data, loading }: DataSettings,
  { sources, onSkip }: RunData,
  streamOptions: ModelStreamOptions,
): OpenTrainingStream {
  const { workers = defaultWorkers(data), onUnreadable } = loading
  return (start) =>
    openStream(sources, {
      ...start,
      ...streamOptions,
      workers,
      onUnreadable,
      onSkip,
    })
}

/** Documents of all sources together; undefined where one is read as a stream. */
export function documentsOf(sources: readonly WeightedSource[]): number | undefined {
  return sources.reduce<number | undefined>(
    (sum, { source: { length } }) => (sum === undefined || length === undefined ? undefined : sum + length),
    0,
  )
}

/** What a config says of documents that cannot be read: they end what reads them, or `onSkip` is told of each. */
export function unreadablePolicy(
  { onUnreadable }: Pick<LoadingConfig, 'onUnreadable'>,
  onSkip: (document: UnreadableDocument) => void,
): (document: UnreadableDocument) => void {
  return (document) => {
    if (onUnreadable === 'stop') throw document.error
    onSkip(document)
  }
}

/** The texts of several sources as {@link textsOf} gives them, one source after the other. */
export async function* textsOfAll(
  sources: readonly WeightedSource[],
  onUnreadable?: (document: UnreadableDocument) => void,
): AsyncGenerator<string, void, undefined> {
  for (const { source } of sources) yield* textsOf(source, onUnreadable)
}
