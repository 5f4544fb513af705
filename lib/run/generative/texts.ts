/** The texts of a run's data: what its tokenizer is made from, and what its samples are generated after. */
import type { DocumentSource, UnreadableDocument } from '../../data/sources/document_source.js'
import type { WeightedSource } from '../../data/stream/open_stream.js'
import { type BpeHooks, trainTokenizer } from '../../tokenizer/bpe/train_tokenizer.js'
import { makeCaptionTokenizer } from '../../tokenizer/caption_tokenizer.js'
import { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import { textsOfAll, unreadablePolicy } from '../train_data.js'
import type { GenerativeTrainConfig } from './config.js'

/**
 * The tokenizer of a file, or one made from the texts of the data; `onSkip` is told of documents that are left out.
 * `hooks`: of the training of a BPE tokenizer.
 */
export async function openTokenizer(
  { tokenizer, loading }: GenerativeTrainConfig,
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
