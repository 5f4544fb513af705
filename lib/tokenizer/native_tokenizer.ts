/**
 * The tokenizer of Hugging Face's library for a `tokenizer.json`. Apart from tokenizer_json.ts, whose types are public: the
 * library's own declarations do not compile by themselves (tokenizers 0.23.2).
 */
import { Tokenizer as NativeTokenizer } from 'tokenizers'
import { formatValue } from '../describe.js'
import { checkMerges, type TokenizerJson } from './tokenizer_json.js'

/**
 * The library's tokenizer for a JSON that has been checked.
 * @throws Error that names the part which the library refuses, and its reason
 */
export function parseNative(json: TokenizerJson): NativeTokenizer {
  try {
    return NativeTokenizer.fromString(JSON.stringify(json))
  } catch (error) {
    checkMerges(json.model)
    throw refusedPart(json) ?? new Error(reasonOf(error), { cause: error })
  }
}

/**
 * What only shows once the library has normalized the tokens beside the vocabulary.
 * @throws Error that names the token
 */
export function checkAddedTokens({ added_tokens = [] }: TokenizerJson, native: NativeTokenizer): void {
  const normalizer = native.getNormalizer()
  const seen = new Map<string, string>()
  for (const { content, normalized } of added_tokens) {
    if (!normalized || content === '') continue
    const text = normalizer ? normalizer.normalizeString(content) : content
    const name = `added_tokens: ${formatValue(content)}`
    if (text === '') throw new Error(`${name} is empty once it is normalized; "normalized": false keeps it`)
    const other = seen.get(text)
    if (other !== undefined && other !== content)
      throw new Error(`${name} and ${formatValue(other)} are the same once they are normalized`)
    seen.set(text, content)
  }
}

/** The library only says where in the text it stopped; alone, the part that it refuses is found. */
function refusedPart(json: TokenizerJson): Error | undefined {
  const { version, added_tokens, ...parts } = json
  const model = { type: 'WordLevel', vocab: {}, unk_token: '' }
  for (const [name, part] of Object.entries({ version, added_tokens, ...parts })) {
    if (part === undefined) continue
    try {
      NativeTokenizer.fromString(JSON.stringify({ model, [name]: part }))
    } catch (error) {
      return new Error(`${name}: ${reasonOf(error)}`, { cause: error })
    }
  }
  return undefined
}

const reasonOf = (error: unknown): string => (error as Error).message.replace(/ at line \d+ column \d+$/, '')
