/**
 * The tokenizer that a GGUF holds, as a `tokenizer.json` whose ids are llama.cpp's (src/llama-vocab.cpp): byte-level BPE,
 * whose way of splitting text has a name there, and SentencePiece's BPE.
 */
import { formatValue } from '../describe.js'
import { GgufError, type GgufValue } from '../files/gguf/header.js'
import type { SpecialTokenNames } from './tokenizer.js'
import { type AddedToken, specialToken, type TokenizerJson } from './tokenizer_json.js'

type Metadata = ReadonlyMap<string, GgufValue>

/** Types of tokens (`llama_token_type`) that are more than text. */
const [unknownType, controlType, userDefinedType] = [2, 3, 4]

const byteLevel = (use_regex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
})
const sequence = (...pretokenizers: object[]) => ({ type: 'Sequence', pretokenizers })
/** Words with what precedes them, numbers of as many digits as `digits` matches, the rest: Llama 3's and Qwen 2's. */
const splitInto = (digits: string) =>
  sequence(
    {
      type: 'Split',
      pattern: {
        Regex:
          "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" +
          `${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
      },
      behavior: 'Isolated',
      invert: false,
    },
    byteLevel(false),
  )

interface Kind {
  readonly pre_tokenizer: object
  /** Whether a word that is a token stays whole, whatever its merges. */
  readonly ignoreMerges: boolean
}
const llama3: Kind = { pre_tokenizer: splitInto('\\p{N}{1,3}'), ignoreMerges: true }
/** By `tokenizer.ggml.pre`. */
const kinds: Readonly<Record<string, Kind>> = {
  'gpt-2': { pre_tokenizer: byteLevel(true), ignoreMerges: false },
  smollm: {
    pre_tokenizer: sequence({ type: 'Digits', individual_digits: true }, byteLevel(true)),
    ignoreMerges: false,
  },
  'llama-bpe': llama3,
  'llama-v3': llama3,
  llama3,
  qwen2: { pre_tokenizer: splitInto('\\p{N}'), ignoreMerges: false },
}

/** A `tokenizer.json`, and which of its tokens frame documents. */
export interface GgufTokenizer {
  readonly json: TokenizerJson
  readonly names: SpecialTokenNames
}

/**
 * The tokenizer of a GGUF's metadata.
 * @throws GgufError, which begins with `path`, for a kind that is not known, and where a part is missing or malformed
 */
export function ggufTokenizer(metadata: Metadata, path: string): GgufTokenizer {
  const fail = (problem: string): never => {
    throw new GgufError(`${path}: ${problem}`)
  }
  const list = <T extends string | number>(key: string, type: 'string' | 'number', length?: number): T[] => {
    const value = metadata.get(`tokenizer.ggml.${key}`)
    if (!Array.isArray(value) || !value.every((item) => typeof item === type))
      return fail(`"tokenizer.ggml.${key}" ${value === undefined ? 'is missing' : `is no list of ${type}s`}`)
    if (length !== undefined && value.length !== length)
      fail(`"tokenizer.ggml.${key}" has ${value.length} items, "tokenizer.ggml.tokens" ${length}`)
    return value as T[]
  }
  const tokens = list<string>('tokens', 'string')
  const types = list<number>('token_type', 'number', tokens.length)
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]))
  if (Object.keys(vocab).length !== tokens.length) {
    const twice = tokens.find((token, id) => vocab[token] !== id)
    fail(`"tokenizer.ggml.tokens" has the token ${formatValue(twice)} twice`)
  }
  const added_tokens = tokens.flatMap((token, id) => addedToken(token, id, types[id]!))
  const model = metadata.get('tokenizer.ggml.model')
  switch (model) {
    case 'gpt2': {
      const pre = metadata.get('tokenizer.ggml.pre')
      const kind = typeof pre === 'string' && Object.hasOwn(kinds, pre) ? kinds[pre] : undefined
      if (!kind)
        return fail(
          `"tokenizer.ggml.pre" is ${formatValue(pre)}; those read are ${Object.keys(kinds).join(', ')}`,
        )
      const merges = list<string>('merges', 'string')
      return { json: byteLevelJson(vocab, merges, kind, added_tokens), names: framingTokens(metadata) }
    }
    case 'llama': {
      const scores = list<number>('scores', 'number', tokens.length)
      const prefix = metadata.get('tokenizer.ggml.add_space_prefix') ?? true
      const unknown = tokens.find((_, id) => types[id] === unknownType)
      const json = sentencePieceJson({
        vocab,
        tokens,
        scores,
        unknown,
        prefix: prefix === true,
        added_tokens,
      })
      return { json, names: framingTokens(metadata) }
    }
  }
  return fail(
    `"tokenizer.ggml.model" is ${formatValue(model)}; those read are gpt2 (byte-level BPE) and llama (SentencePiece)`,
  )
}

function addedToken(token: string, id: number, type: number): AddedToken[] {
  if (type === controlType || type === unknownType) return [specialToken(id, token)]
  return type === userDefinedType ? [{ ...specialToken(id, token), special: false }] : []
}

function framingTokens(metadata: Metadata): SpecialTokenNames {
  const id = (name: string) => {
    const value = metadata.get(`tokenizer.ggml.${name}_token_id`)
    return typeof value === 'number' ? value : undefined
  }
  const [bos, eos] = [id('bos'), id('eos')]
  return { ...(bos !== undefined && { bos }), ...(eos !== undefined && { eos }) }
}

const byteLevelJson = (
  vocab: Record<string, number>,
  merges: readonly string[],
  { pre_tokenizer, ignoreMerges }: Kind,
  added_tokens: AddedToken[],
): TokenizerJson => ({
  version: '1.0',
  added_tokens,
  pre_tokenizer,
  decoder: byteLevel(true),
  model: { type: 'BPE', vocab, merges, ignore_merges: ignoreMerges },
})

const space = '▁'

interface SentencePieces {
  readonly vocab: Record<string, number>
  readonly tokens: readonly string[]
  readonly scores: readonly number[]
  readonly unknown: string | undefined
  /** Whether a space is put before a text. */
  readonly prefix: boolean
  readonly added_tokens: AddedToken[]
}

const sentencePieceJson = ({
  vocab,
  tokens,
  scores,
  unknown,
  prefix,
  added_tokens,
}: SentencePieces): TokenizerJson => ({
  version: '1.0',
  added_tokens,
  normalizer: {
    type: 'Sequence',
    normalizers: [
      ...(prefix ? [{ type: 'Prepend', prepend: space }] : []),
      { type: 'Replace', pattern: { String: ' ' }, content: space },
    ],
  },
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: space }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
    ],
  },
  model: {
    type: 'BPE',
    vocab,
    merges: mergesByScore(vocab, tokens, scores),
    ...(unknown !== undefined && { unk_token: unknown }),
    byte_fallback: true,
    fuse_unk: true,
  },
})

/** SentencePiece joins the neighbours whose token has the highest score: every way to make a token, in the order of scores. */
function mergesByScore(
  vocab: Readonly<Record<string, number>>,
  tokens: readonly string[],
  scores: readonly number[],
): [string, string][] {
  const ids = tokens.map((_, id) => id).toSorted((a, b) => scores[b]! - scores[a]!)
  return ids.flatMap((id) => {
    const characters = [...tokens[id]!]
    const merges: [string, string][] = []
    for (let i = 1; i < characters.length; i++) {
      const pair: [string, string] = [characters.slice(0, i).join(''), characters.slice(i).join('')]
      if (pair.every((part) => Object.hasOwn(vocab, part))) merges.push(pair)
    }
    return merges
  })
}
