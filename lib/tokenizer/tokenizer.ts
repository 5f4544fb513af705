import { dirname, join } from 'node:path'
import type { Decoder, Tokenizer as NativeTokenizer } from 'tokenizers'
import { checkOptions } from '../arguments.js'
import { formatValue } from '../describe.js'
import { writeAtomically } from '../files/atomic_file.js'
import { EncodingQueue } from './encoding_queue.js'
import { readJson } from '../files/json_file.js'
import { checkAddedTokens, parseNative } from './native_tokenizer.js'
import { TokenIds } from './token_ids.js'
import { checkTokenizerJson, nativeJson, specialToken, type TokenizerJson } from './tokenizer_json.js'

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
  /** The id that stands for what has no token of its own, in a vocabulary that has one. */
  readonly unknown?: number
  /** Ids below `vocabularySize` that no token has: they are never generated. */
  readonly idsWithoutToken?: readonly number[]
  /**
   * The ids of `text` alone: no begin or end of document is added. Half a surrogate pair reads as U+FFFD. Rejects with an
   * Error where the text spells a marker of images: those come from image parts, never from text.
   */
  encode(text: string): Promise<Int32Array>
  /** @throws RangeError for an id outside the vocabulary */
  decode(ids: Iterable<number>, options?: DecodeOptions): string
}

/** Tokens of the longest of some texts; 0 where there are none. */
export async function mostTokens(tokenizer: Tokenizer, texts: readonly string[]): Promise<number> {
  const encoded = await Promise.all(texts.map((text) => tokenizer.encode(text)))
  return Math.max(0, ...encoded.map((ids) => ids.length))
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

const nameKeys = { bos: true, eos: true, boi: true, eoi: true } as const

const beginOfImage = '<|boi|>'
const endOfImage = '<|eoi|>'
/** As Llama 2 (the paper's tokenizer), Llama 3, Gemma and GPT-2 call them; the first that the vocabulary has. */
const beginOfDocument = ['<s>', '<|begin_of_text|>', '<bos>', '<|endoftext|>']
const endOfDocument = ['</s>', '<|end_of_text|>', '<eos>', '<|endoftext|>']
const byteToken = /^<0x[0-9A-F]{2}>$/

/** Texts whose ids are kept: captions made from templates repeat; long texts do not, and would fill memory. */
const mostKnown = 10_000
const longestKnown = 1000

/**
 * A tokenizer in Hugging Face's format, by Hugging Face's own library: ids and text are those of Python's tokenizers 0.23.
 * Truncation and padding of the file do not count, nor does what its post-processor adds. BOI and EOI are added after its
 * vocabulary where it lacks them.
 */
export class JsonTokenizer implements Tokenizer {
  readonly vocabularySize: number
  /** The vocabulary's size before BOI and EOI were added. */
  readonly givenSize: number
  readonly bos?: number
  readonly eos?: number
  readonly boi: number
  readonly eoi: number
  readonly unknown?: number
  /** What the constructor takes to make the same tokenizer again, on another thread for instance. @internal */
  readonly definition: readonly [json: TokenizerJson, names: SpecialTokenNames]
  readonly #json: TokenizerJson
  readonly #native: NativeTokenizer
  readonly #encodings: EncodingQueue
  readonly #decoder: Decoder | null
  readonly #special: ReadonlySet<string>
  readonly #known = new Map<string, Int32Array>()
  #idsWithoutToken: readonly number[] | undefined

  /**
   * Reads a `tokenizer.json`. The names of the special tokens come from `names`, else from a
   * `tokenizer_config.json` beside it, else they are the usual ones.
   * @throws Error that names the file
   */
  static async load(path: string, names: SpecialTokenNames = {}): Promise<JsonTokenizer> {
    checkOptions('JsonTokenizer.load', names, nameKeys, 'names')
    const json = await readJson(path)
    const configPath = join(dirname(path), 'tokenizer_config.json')
    const config = configuredNames(await readJson(configPath, {}), configPath)
    try {
      return new JsonTokenizer(json as TokenizerJson, { ...config, ...names })
    } catch (error) {
      throw new Error(`${path}: not a usable tokenizer.json (${(error as Error).message})`, { cause: error })
    }
  }

  /** @throws Error where `json` is no tokenizer, or a token of `names` is not in its vocabulary */
  constructor(json: TokenizerJson, names: SpecialTokenNames = {}) {
    checkTokenizerJson(json)
    checkOptions('JsonTokenizer', names, nameKeys, 'names')
    this.definition = [json, names]
    const given = withUnknownToken(json)
    const ids = new TokenIds(given)
    this.givenSize = ids.size
    const added = (given.added_tokens ?? []).map((token) => ({
      ...token,
      id: ids.get(token.content) ?? token.id,
    }))
    const findOrAdd = (name: string | number) => {
      const found = typeof name === 'number' ? findToken(ids, name, []) : ids.get(name)
      if (found !== undefined) return found
      const id = ids.add(name as string)
      added.push(specialToken(id, name as string))
      return id
    }
    this.boi = findOrAdd(names.boi ?? beginOfImage)
    this.eoi = findOrAdd(names.eoi ?? endOfImage)
    this.bos = findToken(ids, names.bos, beginOfDocument)
    this.eos = findToken(ids, names.eos, endOfDocument)
    this.vocabularySize = ids.size
    if (!ids.hasGaps) this.#idsWithoutToken = []
    const { unk_id, unk_token } = given.model
    this.unknown = unk_id ?? ids.get(unk_token ?? '')
    this.#json = ids.pinnedIn({ ...given, added_tokens: added })
    // Some files list the byte tokens of byte fallback as special, but they spell text.
    const special = added.filter((token) => token.special && !byteToken.test(token.content))
    this.#special = new Set(special.map(({ content }) => content))
    this.#native = parseNative(nativeJson(this.#json))
    this.#encodings = new EncodingQueue(this.#native)
    this.#decoder = this.#native.getDecoder()
    checkAddedTokens(this.#json, this.#native)
  }

  get idsWithoutToken(): readonly number[] {
    return (this.#idsWithoutToken ??= Array.from({ length: this.vocabularySize }, (_, id) => id).filter(
      (id) => this.#native.idToToken(id) === null,
    ))
  }

  async encode(text: string): Promise<Int32Array> {
    const known = this.#known.get(text)
    if (known) return known.slice()
    let encoding
    try {
      encoding = await this.#encodings.encode(text)
    } catch (error) {
      const { message } = error as Error
      throw new Error(
        `encode: text must have tokens for all its parts, received ${formatValue(text)} (${message})`,
        {
          cause: error,
        },
      )
    }
    const ids = Int32Array.from(encoding.getIds())
    const marker = ids.find((id) => id === this.boi || id === this.eoi)
    if (marker !== undefined)
      throw new Error(
        `encode: text must not spell ${this.#native.idToToken(marker)}, which frames an image: give images as ` +
          `parts of their own, received ${formatValue(text)}`,
      )
    if (text.length <= longestKnown && this.#known.size < mostKnown) this.#known.set(text, ids.slice())
    return ids
  }

  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    checkOptions('JsonTokenizer.decode', options, { skipSpecial: true })
    const { skipSpecial = false } = options
    const tokens: string[] = []
    for (const id of ids) {
      const known = Number.isInteger(id) && id >= 0 && id < this.vocabularySize
      const token = known ? this.#native.idToToken(id) : null
      if (token === null)
        throw new RangeError(
          `decode: ids must be those of tokens, of a vocabulary of ${this.vocabularySize}, received ${id}`,
        )
      if (!skipSpecial || !this.#special.has(token)) tokens.push(token)
    }
    if (tokens.length === 0) return ''
    return this.#decoder ? this.#decoder.decode(tokens) : tokens.join(' ')
  }

  /** The words of `text`, as white space parts them, in which something has no token, each once; rejects as `encode`. */
  async unknownWords(text: string): Promise<string[]> {
    if (!(await this.encode(text)).includes(this.unknown ?? -1)) return []
    const encoding = await this.#encodings.encode(text)
    const offsets = encoding.getOffsets() as [number, number][]
    const characters = [...text]
    const isWord = (i: number) => i >= 0 && i < characters.length && /\S/.test(characters[i]!)
    const words = encoding.getIds().flatMap((id, i) => {
      if (id !== this.unknown) return []
      let [start, end] = offsets[i]!
      while (isWord(start - 1)) start--
      while (isWord(end)) end++
      return [characters.slice(start, end).join('').trim()]
    })
    return [...new Set(words)]
  }

  /** Writes a `tokenizer.json` with BOI and EOI in it, for a model's folder. */
  async save(path: string): Promise<void> {
    await writeAtomically(path, `${JSON.stringify(this.#json, null, 1)}\n`)
  }
}

/** A word-level model must name its unknown token, though the vocabulary may lack it. */
function withUnknownToken(json: TokenizerJson): TokenizerJson {
  if (json.model.type !== 'WordLevel' || typeof json.model.unk_token === 'string') return json
  return { ...json, model: { ...json.model, unk_token: '<unk>' } }
}

function findToken(ids: TokenIds, name: string | number | undefined, usual: string[]): number | undefined {
  if (name === undefined) return ids.get(usual.find((token) => ids.get(token) !== undefined) ?? '')
  const id = typeof name === 'string' ? ids.get(name) : ids.has(name) ? name : undefined
  if (id === undefined) throw new Error(`its vocabulary has no special token ${formatValue(name)}`)
  return id
}

/** `bos_token` and `eos_token` of a `tokenizer_config.json`: a string, an object with `content`, or null. */
function configuredNames(config: unknown, path: string): SpecialTokenNames {
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new Error(`${path}: expected an object, received ${formatValue(config)}`)
  const name = (key: string) => {
    const token: unknown = (config as Record<string, unknown>)[key]
    const content: unknown =
      typeof token === 'object' && token !== null && 'content' in token ? token.content : token
    if (content === undefined || content === null) return undefined
    if (typeof content !== 'string')
      throw new Error(`${path}: expected ${key} to be a text or {content}, received ${formatValue(token)}`)
    return content
  }
  const [bos, eos] = [name('bos_token'), name('eos_token')]
  return { ...(bos !== undefined && { bos }), ...(eos !== undefined && { eos }) }
}
