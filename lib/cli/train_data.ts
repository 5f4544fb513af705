import { makeCaptionTokenizer } from '../data/caption_tokenizer.js'
import { defaultWorkers } from '../data/data_config.js'
import { textsOf, type UnreadableDocument } from '../data/sources/document_source.js'
import { openStream, type WeightedSource } from '../data/stream/open_stream.js'
import { JsonTokenizer } from '../data/tokenizer.js'
import type { Transfusion } from '../generation/transfusion.js'
import { positionsOf, type TrainingData } from '../training/data.js'
import { trainTokenizerShown } from './tokenizer_progress.js'
import type { TrainConfig } from './train_config.js'

/** What opens the stream of documents that a run trains on. */
export function streamOpener(
  { data, loading }: TrainConfig,
  sources: readonly WeightedSource[],
  { network, tokenizer, imagePreparation }: Transfusion,
  onSkip: (document: UnreadableDocument) => void,
): TrainingData {
  const { workers = defaultWorkers(data), onUnreadable } = loading
  return (start) =>
    openStream(sources, {
      ...start,
      tokenizer,
      image: imagePreparation,
      positionsOf: positionsOf(network.config),
      workers,
      onUnreadable,
      onSkip,
    })
}

/** The tokenizer of a file, or one made from the texts of the data; `onSkip` is told of documents that are left out. */
export async function openTokenizer(
  { tokenizer, loading }: TrainConfig,
  sources: readonly WeightedSource[],
  onSkip: (document: UnreadableDocument) => void,
): Promise<JsonTokenizer> {
  switch (tokenizer.type) {
    case 'file':
      return JsonTokenizer.load(tokenizer.path)
    case 'captions': {
      const texts = new Set<string>()
      for await (const text of textsOfAll(sources)) texts.add(text)
      return makeCaptionTokenizer(texts)
    }
    case 'bpe': {
      const { type: _type, ...settings } = tokenizer
      const texts = textsOfAll(sources, unreadablePolicy(loading, onSkip))
      return trainTokenizerShown(texts, settings)
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

const textsLookedAt = 200
const longestPrompt = 80

/** Up to `count` different short texts among the first of each source: captions to draw. */
export async function firstTexts(sources: readonly WeightedSource[], count: number): Promise<string[]> {
  const texts = new Set<string>()
  for (const { source } of sources) {
    let seen = 0
    for await (const text of textsOf(source)) {
      if (text.length <= longestPrompt) texts.add(text)
      if (++seen === textsLookedAt || texts.size >= count) break
    }
  }
  return [...texts].slice(0, count)
}
