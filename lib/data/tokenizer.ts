import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { dirname, join } from 'node:path'
import { writeAtomically } from './atomic_file.js'
import { BYTE_LEVEL_WORDS } from './byte_level_words.js'
import { readJson } from './json_file.js'

/** Text to token ids and back, with the ids that frame documents and images. */
export interface Tokenizer {
  /** Ids are 0 .. vocabularySize - 1, special ones included. */
  readonly vocabularySize: number
  /** Begin of document. */
  readonly bos?: number
  /** End of document. */
  readonly eos?: number
  /** Begin of image (paper, section 3: added to the text's vocabulary). */
  readonly boi: number
  /** End of image. */
  readonly eoi: number
  /**
   * The ids of `text` alone: no begin or end of document is added.
   * @throws Error where the text spells a marker of images: those come from image parts, never from text
   */
  encode(text: string): Int32Array
  /** @throws RangeError for an id outside the vocabulary */
  decode(ids: Iterable<number>, options?: DecodeOptions): string
}

/** How ids become text. */
export interface DecodeOptions {
  /** Leaves special tokens (begin of document and the like) out of the text. Default false. */
  readonly skipSpecial?: boolean
}

/** Names or ids of special tokens, where they are not the usual ones. */
export interface SpecialTokenNames {
  /** Begins a document. */
  readonly bos?: string | number
  /** Ends a document. */
  readonly eos?: string | number
  /** Begins an image. */
  readonly boi?: string | number
  /** Ends an image. */
  readonly eoi?: string | number
}

/** What we read of a `tokenizer.json`; the rest of it is the library's. */
export interface TokenizerJson {
  /** Tokens beside the vocabulary, special ones among them. */
  added_tokens: AddedToken[]
  /** The vocabulary and its kind. */
  model: { type?: string; vocab: Record<string, number> | [string, number][]; unk_token?: string | null }
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

interface PreTokenizer {
  type?: string
  use_regex?: boolean
  add_prefix_space?: boolean
}

const BEGIN_OF_IMAGE = '<|boi|>'
const END_OF_IMAGE = '<|eoi|>'
/** As Llama 2 (the paper's tokenizer), Llama 3, Gemma and GPT-2 call them; the first that the vocabulary has. */
const BEGIN_OF_DOCUMENT = ['<s>', '<|begin_of_text|>', '<bos>', '<|endoftext|>']
const END_OF_DOCUMENT = ['</s>', '<|end_of_text|>', '<eos>', '<|endoftext|>']
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/

/** A tokenizer in Hugging Face's format. BOI and EOI are added after its vocabulary where it lacks them. */
export class JsonTokenizer implements Tokenizer {
  readonly vocabularySize: number
  /** The vocabulary's size before BOI and EOI were added. */
  readonly givenSize: number
  readonly bos?: number
  readonly eos?: number
  readonly boi: number
  readonly eoi: number
  /** What the constructor takes to make the same tokenizer again, on another thread for instance. @internal */
  readonly definition: readonly [json: TokenizerJson, names: SpecialTokenNames]
  readonly #json: TokenizerJson
  readonly #tokenizer: HuggingFaceTokenizer
  readonly #special: ReadonlySet<number>

  /**
   * Reads a `tokenizer.json`. The names of the special tokens come from `names`, else from a
   * `tokenizer_config.json` beside it, else they are the usual ones.
   * @throws Error that names the file
   */
  static async load(path: string, names: SpecialTokenNames = {}): Promise<JsonTokenizer> {
    const json = await readJson(path)
    const config = await readJson(join(dirname(path), 'tokenizer_config.json'), {})
    try {
      return new JsonTokenizer(json as TokenizerJson, { ...configuredNames(config), ...names })
    } catch (error) {
      throw new Error(`${path}: not a usable tokenizer.json (${(error as Error).message})`, { cause: error })
    }
  }

  /** @throws Error where `json` is no tokenizer, or a token of `names` is not in its vocabulary */
  constructor(json: TokenizerJson, names: SpecialTokenNames = {}) {
    checkTokenizerJson(json)
    this.definition = [json, names]
    const ids = tokenIds(json)
    const added = [...json.added_tokens]
    const sizeNow = () => [...ids.values()].reduce((size, id) => Math.max(size, id + 1), 0)
    this.givenSize = sizeNow()
    const findOrAdd = (name: string | number) => {
      if (typeof name === 'number') return findToken(ids, name, [])!
      const found = ids.get(name)
      if (found !== undefined) return found
      const id = sizeNow()
      ids.set(name, id)
      added.push(specialToken(id, name))
      return id
    }
    this.boi = findOrAdd(names.boi ?? BEGIN_OF_IMAGE)
    this.eoi = findOrAdd(names.eoi ?? END_OF_IMAGE)
    this.bos = findToken(ids, names.bos, BEGIN_OF_DOCUMENT)
    this.eos = findToken(ids, names.eos, END_OF_DOCUMENT)
    this.vocabularySize = sizeNow()
    this.#json = { ...json, added_tokens: added }
    // Some files list the byte tokens of byte fallback as special, but they spell text.
    const special = added.filter((token) => token.special && !BYTE_TOKEN.test(token.content))
    this.#special = new Set(special.map(({ id }) => id))
    // The library knows the unknown token of a word-level model from its configuration only.
    this.#tokenizer = new HuggingFaceTokenizer(withExactWords(this.#json), {
      unk_token: json.model.unk_token,
    })
  }

  encode(text: string): Int32Array {
    const ids: (number | undefined)[] = this.#tokenizer.encode(text, { add_special_tokens: false }).ids
    for (const id of ids) {
      if (id === undefined)
        throw new Error(`[encode] the tokenizer has no token for part of ${JSON.stringify(text)}`)
      if (id === this.boi || id === this.eoi) {
        throw new Error(
          `[encode] text must not spell ${this.#tokenizer.id_to_token(id)}, which frames an image: give images as ` +
            `parts of their own; received ${JSON.stringify(text)}`,
        )
      }
    }
    return Int32Array.from(ids as number[])
  }

  decode(ids: Iterable<number>, { skipSpecial = false }: DecodeOptions = {}): string {
    const list = [...ids]
    for (const id of list) {
      if (this.#tokenizer.id_to_token(id) === undefined) {
        throw new RangeError(
          `[decode] no token has the id ${id}; the vocabulary has ${this.vocabularySize} ids`,
        )
      }
    }
    const shown = skipSpecial ? list.filter((id) => !this.#special.has(id)) : list
    if (shown.length === 0) return ''
    return this.#tokenizer.decode(shown, { clean_up_tokenization_spaces: false })
  }

  /** Writes a `tokenizer.json` with BOI and EOI in it, for a model's folder. */
  async save(path: string): Promise<void> {
    await writeAtomically(path, `${JSON.stringify(this.#json, null, 1)}\n`)
  }
}

/** An entry of `added_tokens` that is never split, trimmed or normalised. */
export function specialToken(id: number, content: string): AddedToken {
  return { id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false }
}

/** The same tokenizer for the JavaScript library, whose ByteLevel cuts at other white space than the original does. */
function withExactWords(json: TokenizerJson): TokenizerJson {
  const byteLevel = json['pre_tokenizer'] as PreTokenizer | null | undefined
  // A prefix space must be there before words are found.
  if (byteLevel?.type !== 'ByteLevel' || byteLevel.use_regex === false || byteLevel.add_prefix_space)
    return json
  const words = {
    type: 'Split',
    pattern: { Regex: BYTE_LEVEL_WORDS.source },
    behavior: 'Isolated',
    invert: false,
  }
  const bytes = { ...byteLevel, use_regex: false }
  return { ...json, pre_tokenizer: { type: 'Sequence', pretokenizers: [words, bytes] } }
}

function tokenIds({ model, added_tokens }: TokenizerJson): Map<string, number> {
  const words = Array.isArray(model.vocab)
    ? model.vocab.map(([token], id) => [token, id] as const)
    : Object.entries(model.vocab)
  return new Map([...words, ...added_tokens.map(({ content, id }) => [content, id] as const)])
}

function findToken(
  ids: Map<string, number>,
  name: string | number | undefined,
  usual: string[],
): number | undefined {
  if (name === undefined) return ids.get(usual.find((token) => ids.has(token)) ?? '')
  const id = typeof name === 'string' ? ids.get(name) : [...ids.values()].find((known) => known === name)
  if (id === undefined) throw new Error(`its vocabulary has no special token ${JSON.stringify(name)}`)
  return id
}

function checkTokenizerJson(json: TokenizerJson): void {
  if (typeof json?.model?.vocab !== 'object') throw new Error('it has no model.vocab')
  if (!Array.isArray(json.added_tokens)) throw new Error('it has no list added_tokens')
}

/** `bos_token` and `eos_token` of a `tokenizer_config.json`: a string, an object with `content`, or null. */
function configuredNames(config: unknown): SpecialTokenNames {
  const { bos_token, eos_token } = config as Record<string, string | { content: string } | null | undefined>
  const name = (token: typeof bos_token) => (typeof token === 'object' ? token?.content : token)
  const bos = name(bos_token)
  const eos = name(eos_token)
  return { ...(bos !== undefined && { bos }), ...(eos !== undefined && { eos }) }
}
