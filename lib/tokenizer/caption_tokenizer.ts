import { checkArguments } from '../arguments.js'
import { parseNative } from './native_tokenizer.js'
import { JsonTokenizer } from './tokenizer.js'
import { specialToken, type TokenizerJson } from './tokenizer_json.js'

const unknown = '<unk>'
/** The names that Llama 2's tokenizer, the paper's, gives to the first three. */
const specialTokens = [unknown, '<s>', '</s>', '<|boi|>', '<|eoi|>']

/** Stands where a token joins its neighbour without a space, as in OpenNMT's tokenizer. */
const joiner = '\uffed'
/** Where punctuation begins that something stands before, but for a single mark within a word ("t-shirt", "3.5"). */
const beforePunctuation = String.raw`(?<=\w)(?=[^\w\s](?:\W|\z))|(?<=[^\w\s])(?=[^\w\s])`
/** Where it ends before a word. */
const afterPunctuation = String.raw`(?<=[^\w\s])(?<!\w[^\w\s])(?=\w)`

const replaced = (pattern: { Regex: string } | { String: string }, content: string) => ({
  type: 'Replace',
  pattern,
  content,
})

/**
 * Makes a word-level tokenizer that knows the words of `captions`, lower-cased, for data sets whose captions use few
 * words: one token for each. Punctuation at a word's ends is tokens of its own, which know whether a space is beside them;
 * within a word ("t-shirt") it belongs to it. Ids: the special tokens (unknown word, begin and end of document, begin and
 * end of image), then the words in order of code units. Text decodes lower-cased, with single spaces. `save` writes it as
 * a `tokenizer.json` that Hugging Face's libraries read as well.
 */
export function makeCaptionTokenizer(captions: Iterable<string>): JsonTokenizer {
  checkArguments('makeCaptionTokenizer', { captions: [captions, 'iterable'] })
  const native = parseNative(captionJson(specialTokens))
  const [normalizer, splitter] = [native.getNormalizer()!, native.getPreTokenizer()!]
  // Nothing depends on what is beyond white space, and captions repeat their words.
  const pieces = new Set<string>()
  for (const caption of captions) {
    checkArguments('makeCaptionTokenizer', { 'each of captions': [caption, 'string'] })
    for (const piece of caption.split(/\p{White_Space}+/u)) pieces.add(piece)
  }
  const words = new Set<string>()
  for (const piece of pieces)
    for (const [word] of splitter.preTokenizeString(normalizer.normalizeString(piece))) words.add(word)
  for (const token of specialTokens) words.delete(token)
  return new JsonTokenizer(captionJson([...specialTokens, ...[...words].toSorted()]))
}

const captionJson = (tokens: readonly string[]): TokenizerJson => ({
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: specialTokens.map((token, id) => specialToken(id, token)),
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Lowercase' },
      replaced({ Regex: beforePunctuation }, ` ${joiner}`),
      replaced({ Regex: afterPunctuation }, `${joiner} `),
    ],
  },
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'WordPiece', prefix: joiner, cleanup: false },
      { type: 'Fuse' },
      replaced({ String: `${joiner} ` }, ''),
      replaced({ String: joiner }, ''),
    ],
  },
  model: {
    type: 'WordLevel',
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    unk_token: unknown,
  },
})
