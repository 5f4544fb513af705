/**
 * Hugging Face's `tokenizer.json`, and what of it is refused, by name, before their library reads it: what is damaged, or
 * gives other ids from run to run. All else is the library's to read or refuse.
 */
import { formatValue } from '../describe.js'
import { hasNestedRepeats } from './nested_repeats.js'
import { checkCharsmap } from './precompiled_charsmap.js'

/** What we read of a `tokenizer.json`; the rest of it is the library's. */
export interface TokenizerJson {
  /** Tokens beside the vocabulary, special ones among them. */
  added_tokens?: AddedToken[]
  /** The vocabulary and its kind. */
  model: TokenizerModel
  [key: string]: unknown
}

/** What we read of a `tokenizer.json`'s model. */
export interface TokenizerModel {
  /** BPE, Unigram, WordLevel or WordPiece; old files name none. */
  type?: string
  /** Ids by token; of Unigram, tokens and their scores, by id. */
  vocab: Record<string, number> | [string, number][]
  /** The token that stands for what has none of its own. */
  unk_token?: string | null
  /** Of Unigram, that token's id. */
  unk_id?: number | null
  [key: string]: unknown
}

/** A token beside the vocabulary. */
export interface AddedToken {
  /** Its id. */
  id: number
  /** The text that stands for it. */
  content: string
  /** Whether it frames documents instead of being text. */
  special: boolean
  /** Whether it must not be part of a word. */
  single_word: boolean
  /** Whether white space before it belongs to it. */
  lstrip: boolean
  /** Whether white space after it belongs to it. */
  rstrip: boolean
  /** Whether it is looked for in normalized text. */
  normalized: boolean
}

/** An entry of `added_tokens` that is never split, trimmed or normalised. */
export function specialToken(id: number, content: string): AddedToken {
  return { id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false }
}

/** A normalizer, pre-tokenizer, post-processor or decoder. */
interface Part {
  type?: string
  [key: string]: unknown
}

const named = (members: string, types: string) => ({ members, types: types.split(' ') })

/** By part: where a sequence has its members, and the types that tokenizers 0.23 knows. */
const parts = {
  normalizer: named(
    'normalizers',
    'BertNormalizer ByteLevel Lowercase NFC NFD NFKC NFKD Nmt Precompiled Prepend Replace Sequence Strip StripAccents',
  ),
  pre_tokenizer: named(
    'pretokenizers',
    'BertPreTokenizer ByteLevel CharDelimiterSplit Digits FixedLength Metaspace Punctuation Sequence Split ' +
      'UnicodeScripts Whitespace WhitespaceSplit',
  ),
  post_processor: named(
    'processors',
    'BertProcessing ByteLevel RobertaProcessing Sequence TemplateProcessing',
  ),
  decoder: named(
    'decoders',
    'BPEDecoder ByteFallback ByteLevel CTC Fuse Metaspace Replace Sequence Strip WordPiece',
  ),
}
const models = ['BPE', 'Unigram', 'WordLevel', 'WordPiece']

type PartName = keyof typeof parts

/** @throws Error that names the part and what is wrong with it */
export function checkTokenizerJson(json: TokenizerJson): void {
  if (typeof json?.model?.vocab !== 'object' || json.model.vocab === null)
    throw new Error('it has no model.vocab')
  if (json.added_tokens !== undefined && !Array.isArray(json.added_tokens))
    throw new Error('its added_tokens are not a list')
  for (const [i, token] of (json.added_tokens ?? []).entries())
    if (typeof token?.content !== 'string')
      throw new Error(`added_tokens[${i}]: expected a token with its content, received ${formatValue(token)}`)
  checkType('model', json.model.type, models)
  checkModel(json.model)
  for (const name of Object.keys(parts) as PartName[])
    for (const part of membersOf(name, json[name])) checkPart(name, part)
}

/** The JSON for the library: nothing cuts or pads what is encoded, and Strip is spelled as regular expressions. */
export function nativeJson(json: TokenizerJson): TokenizerJson {
  return { ...json, truncation: null, padding: null, decoder: withSafeStrips(json['decoder']) }
}

function* membersOf(name: PartName, part: unknown): Generator<Part> {
  if (typeof part !== 'object' || part === null) return
  yield part as Part
  const members = (part as Part)[parts[name].members]
  if (Array.isArray(members)) for (const member of members) yield* membersOf(name, member)
}

function checkType(name: string, type: unknown, known: readonly string[]): void {
  // Old files name no type; the library tells parts by their fields.
  if (type !== undefined && !known.includes(type as string))
    throw new Error(`${name}: expected a type among ${known.join(', ')}, received ${formatValue(type)}`)
}

function checkPart(name: PartName, part: Part): void {
  checkType(name, part.type, parts[name].types)
  // Without a type, the fields tell what a part is.
  const { length } = part
  if ((part.type ?? 'FixedLength') === 'FixedLength' && typeof length === 'number' && length <= 0)
    throw new Error(`${name}: expected a length of FixedLength above 0, received ${length}`)
  const regex = (part['pattern'] as { Regex?: unknown } | undefined)?.Regex
  if (typeof regex === 'string' && hasNestedRepeats(regex))
    throw new Error(`${name}: the pattern ${formatValue(regex)} repeats a repeat, which may take very long`)
  if (name === 'normalizer' && (part.type === 'Precompiled' || 'precompiled_charsmap' in part))
    checkCharsmap(part['precompiled_charsmap'], `${name}.precompiled_charsmap`)
  if (name === 'post_processor' && Array.isArray(part['single'])) checkTemplate(part['single'])
}

/** A template for one text that refers to a second one. */
function checkTemplate(single: readonly ({ Sequence?: { id?: string } } | null)[]): void {
  if (single.some((piece) => piece?.Sequence?.id === 'B'))
    throw new Error('post_processor: the template "single" has a sequence B, which one text does not give')
}

function checkModel(model: TokenizerModel): void {
  const dropout = model['dropout']
  if (typeof dropout === 'number' && dropout !== 0)
    throw new Error(`model.dropout: expected 0 or null, as other ids come each time, received ${dropout}`)
  if (Array.isArray(model.vocab))
    for (const [id, entry] of model.vocab.entries())
      if (!Array.isArray(entry))
        throw new Error(`model.vocab[${id}]: expected a token and its score, received ${formatValue(entry)}`)
  // A prefix may be cut within a character, at which the library would panic; all else it refuses itself.
  if (model['continuing_subword_prefix']) checkMerges(model)
}

/**
 * Says which merge needs a token that the vocabulary lacks, where the library only says that there is one.
 * @throws Error that names the first such merge
 */
export function checkMerges({ merges, vocab, continuing_subword_prefix: prefix }: TokenizerModel): void {
  if (!Array.isArray(merges) || Array.isArray(vocab)) return
  const cut = typeof prefix === 'string' ? Buffer.byteLength(prefix) : 0
  for (const [i, merge] of merges.entries()) {
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge
    if (!Array.isArray(pair) || pair.length !== 2) return
    const [left, right] = pair as unknown[]
    if (typeof left !== 'string' || typeof right !== 'string') return
    // The library cuts the prefix by its length in bytes, whether it is there or not.
    const merged = cut === 0 ? left + right : left + Buffer.from(right).subarray(cut).toString()
    const missing = [left, right, merged].find((token) => !Object.hasOwn(vocab, token))
    if (missing !== undefined || Buffer.byteLength(right) < cut)
      throw new Error(
        `model.merges[${i}]: ${formatValue(left)} and ${formatValue(right)} need tokens that model.vocab ` +
          `lacks: ${formatValue(missing ?? prefix)}`,
      )
  }
}

/** Decoders with each Strip that cuts ends as regular expressions, which cut no more than a token has. */
function withSafeStrips(part: unknown): unknown {
  if (typeof part !== 'object' || part === null) return part
  const { type, content, start, stop, decoders } = part as Part
  if (Array.isArray(decoders)) return { ...part, decoders: decoders.map(withSafeStrips) }
  if ((type ?? 'Strip') !== 'Strip' || typeof content !== 'string' || !(Number(stop) > 0)) return part
  const character = `\\x{${content.codePointAt(0)!.toString(16)}}`
  const replaced = (Regex: string) => ({ type: 'Replace', pattern: { Regex }, content: '' })
  return {
    type: 'Sequence',
    decoders: [
      ...(Number(start) > 0 ? [replaced(`\\A${character}{1,${Number(start)}}`)] : []),
      replaced(`${character}{1,${Number(stop)}}\\z`),
    ],
  }
}
