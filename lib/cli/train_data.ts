import { makeCaptionTokenizer } from '../data/caption_tokenizer.js'
import { defaultWorkers } from '../data/data_config.js'
import { textsOf, type UnreadableDocument } from '../data/sources/document_source.js'
import { openStream, type WeightedSource } from '../data/stream/open_stream.js'
import { JsonTokenizer } from '../data/tokenizer.js'
import type { Transfusion } from '../generation/transfusion.js'
import { positionsOf, type TrainingData } from '../training/data.js'
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

/** The tokenizer of a file, or one made of the words of all texts. */
export async function openTokenizer(
  tokenizer: TrainConfig['tokenizer'],
  sources: readonly WeightedSource[],
): Promise<JsonTokenizer> {
  if (tokenizer.type === 'file') return JsonTokenizer.load(tokenizer.path)
  const texts = new Set<string>()
  for (const { source } of sources) for await (const text of textsOf(source)) texts.add(text)
  return makeCaptionTokenizer(texts)
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
