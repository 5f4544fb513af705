import { checkArguments } from '../arguments.js'
import { JsonTokenizer, specialToken, type TokenizerJson } from './tokenizer.js'

const UNKNOWN = '<unk>'
/** The names that Llama 2's tokenizer, the paper's, gives to the first three. */
const SPECIAL_TOKENS = [UNKNOWN, '<s>', '</s>', '<|boi|>', '<|eoi|>']

/**
 * Makes a word-level tokenizer that knows the words of `captions`, lower-cased and cut at white space, for data
 * sets whose captions use few words: one token for each. Ids: the special tokens (unknown word, begin and end
 * of document, begin and end of image), then the words in order of code units. Text decodes lower-cased, with single
 * spaces. `save` writes it as a `tokenizer.json` that Hugging Face's libraries read as well.
 */
export function makeCaptionTokenizer(captions: Iterable<string>): JsonTokenizer {
  checkArguments('makeCaptionTokenizer', { captions: [captions, 'iterable'] })
  const words = new Set<string>()
  for (const caption of captions) {
    checkArguments('makeCaptionTokenizer', { 'each of captions': [caption, 'string'] })
    for (const word of caption.toLowerCase().split(/\s+/)) if (word !== '') words.add(word)
  }
  for (const token of SPECIAL_TOKENS) words.delete(token)
  const tokens = [...SPECIAL_TOKENS, ...[...words].toSorted()]
  const json: TokenizerJson = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((token, id) => specialToken(id, token)),
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: null,
    decoder: null,
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      unk_token: UNKNOWN,
    },
  }
  return new JsonTokenizer(json)
}
