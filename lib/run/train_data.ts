import { makeCaptionTokenizer } from '../tokenizer/caption_tokenizer.js'
import { defaultWorkers } from '../datasets/data_config.js'
import { type DocumentSource, textsOf, type UnreadableDocument } from '../data/sources/document_source.js'
import { openStream, type WeightedSource } from '../data/stream/open_stream.js'
import { JsonTokenizer } from '../tokenizer/tokenizer.js'
import { type BpeHooks, trainTokenizer } from '../tokenizer/bpe/train_tokenizer.js'
import type { OpenTrainingStream, RunModel } from './run_model.js'
import type { TrainConfig } from './train_config.js'

/** What opens the stream of documents that a run trains on. */
export function streamOpener(
  { data, loading }: TrainConfig,
  sources: readonly WeightedSource[],
  { streamOptions }: Pick<RunModel, 'streamOptions'>,
  onSkip: (document: UnreadableDocument) => void,
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

/**
 * The tokenizer of a file, or one made from the texts of the data; `onSkip` is told of documents that are left out.
 * `hooks`: of the training of a BPE tokenizer.
 */
export async function openTokenizer(
  { tokenizer, loading }: TrainConfig,
  sources: readonly WeightedSource[],
  onSkip: (document: UnreadableDocument) => void,
  hooks: BpeHooks = {},
): Promise<JsonTokenizer> {
  switch (tokenizer.type) {
    case 'file':
      return JsonTokenizer.load(tokenizer.path)
    case 'captions': {
      const texts = new Set<string>()
      for await (const text of textsOfAll(sources, unreadablePolicy(loading, onSkip))) texts.add(text)
      return makeCaptionTokenizer(texts)
    }
    case 'bpe': {
      const { type: _type, ...settings } = tokenizer
      const texts = textsOfAll(sources, unreadablePolicy(loading, onSkip))
      return trainTokenizer(texts, settings, hooks)
    }
  }
}

/** What a config says of documents that cannot be read: they end what reads them, or `onSkip` is told of each. */
export function unreadablePolicy(
  { onUnreadable }: Pick<TrainConfig['loading'], 'onUnreadable'>,
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

const documentsLookedAt = 200
const longestPrompt = 80

/**
 * Up to `count` different short texts, spread over the data and the same for the same data: captions to generate from. Each
 * source gives one in turn; of a source with images, texts beside images.
 */
export async function spreadTexts(sources: readonly WeightedSource[], count: number): Promise<string[]> {
  const found = await Promise.all(sources.map(({ source }) => someTexts(source, count)))
  const texts = new Set<string>()
  for (let i = 0; i < count; i++)
    for (const ofSource of found) if (i < ofSource.length && texts.size < count) texts.add(ofSource[i]!)
  return [...texts]
}

/** The first texts in the order of an epoch, which is shuffled: stored in order of classes, data begins with one class. */
async function someTexts(source: DocumentSource, count: number): Promise<string[]> {
  const captions = new Set<string>()
  const others = new Set<string>()
  const most = Math.min(documentsLookedAt, source.length ?? Infinity)
  let seen = 0
  for await (const { document } of source.read(0)) {
    if ('parts' in document) {
      const hasImage = document.parts.some((part) => part.type === 'image')
      for (const part of document.parts)
        if (part.type === 'text' && part.text.length <= longestPrompt)
          (hasImage ? captions : others).add(part.text)
    }
    if (++seen >= most || captions.size >= count) break
  }
  return [...(captions.size > 0 ? captions : others)].slice(0, count)
}
