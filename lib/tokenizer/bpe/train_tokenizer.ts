import { setImmediate } from 'node:timers/promises'
import { checkArguments, checkOptions, wrongArgument } from '../../arguments.js'
import { parseConfig } from '../../config/parse.js'
import { JsonTokenizer } from '../tokenizer.js'
import { specialToken, type TokenizerJson } from '../tokenizer_json.js'
import { byteSymbols } from './byte_symbols.js'
import { learnMerges } from './learn_merges.js'
import { type BpeSettings, bpeOptionsSchema } from './options.js'
import { WordCounts } from './word_counts.js'

/** How far training a tokenizer is: it reads the texts, then merges. */
export type BpeProgress =
  | {
      readonly stage: 'reading'
      /** UTF-16 code units of text so far, and the different words in them. */
      readonly characters: number
      readonly words: number
    }
  | {
      readonly stage: 'merging'
      /** Tokens so far, and those of the full vocabulary. */
      readonly tokens: number
      readonly vocabulary: number
    }

/** What happens beside training: progress, and its end. */
export interface BpeHooks {
  /** Ends training: the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /** Called now and then. */
  readonly onProgress?: ((progress: BpeProgress) => void) | undefined
}

/**
 * Trains a tokenizer on texts: byte-level BPE with GPT-2's words, the same merges and ids as Hugging Face's trainer
 * gives for these texts, whatever their order. It knows every text, since each byte has a token. Texts are taken one by
 * one; memory holds only their different words. The vocabulary is smaller than the options say where no pair of tokens is left
 * that occurs often enough. Where the special tokens lack BOI or EOI, they are added after it, as to any tokenizer.
 * `save` writes the `tokenizer.json`. The event loop has its turn every 10 ms or so.
 * @throws ConfigError for options out of range
 */
export async function trainTokenizer(
  texts: Iterable<string> | AsyncIterable<string>,
  settings: BpeSettings = {},
  hooks: BpeHooks = {},
): Promise<JsonTokenizer> {
  checkArguments('trainTokenizer', { texts: [texts, 'iterable'] })
  checkOptions('trainTokenizer', hooks, { signal: true, onProgress: true })
  const { signal, onProgress } = hooks
  const options = parseConfig(bpeOptionsSchema, settings, 'tokenizer options')
  const { vocabulary, specialTokens } = options
  const pause = pauses(signal)
  const counts = new WordCounts()
  let characters = 0
  for await (const text of texts) {
    if (typeof text !== 'string') throw wrongArgument('trainTokenizer', 'each of texts', 'a string', text)
    for (const _ of counts.add(text))
      if (await pause()) onProgress?.({ stage: 'reading', characters, words: counts.size })
    characters += text.length
  }
  onProgress?.({ stage: 'reading', characters, words: counts.size })

  const tokens = [...new Set([...specialTokens, ...byteSymbols.toSorted()])]
  const learning = learnMerges(counts, tokens, options)
  let step
  while (!(step = learning.next()).done)
    if (await pause()) onProgress?.({ stage: 'merging', tokens: tokens.length, vocabulary })
  onProgress?.({ stage: 'merging', tokens: tokens.length, vocabulary })
  return new JsonTokenizer(tokenizerJson(specialTokens, tokens, step.value))
}

/** Milliseconds of work after which the event loop goes on (our choice). */
const timeSlice = 10

/** What lets other work run when its time has come, and says so. It rejects once `signal` is aborted. */
function pauses(signal: AbortSignal | undefined): () => Promise<boolean> {
  let since = performance.now()
  signal?.throwIfAborted()
  return async () => {
    if (performance.now() - since < timeSlice) return false
    await setImmediate()
    signal?.throwIfAborted()
    since = performance.now()
    return true
  }
}

function tokenizerJson(
  specialTokens: readonly string[],
  tokens: readonly string[],
  merges: readonly (readonly [left: number, right: number])[],
): TokenizerJson {
  const model = {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: merges.map(([left, right]) => [tokens[left]!, tokens[right]!]),
  }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((token) => specialToken(tokens.indexOf(token), token)),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model,
  }
}
