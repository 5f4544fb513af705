import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import { specialToken, type TokenizerJson, type TokenizerModel } from '../../lib/tokenizer/tokenizer_json.js'
import { temporaryFolder } from '../temporary_folder.js'

const words = (vocab: Record<string, number>): TokenizerModel => ({
  type: 'WordLevel',
  vocab,
  unk_token: 'a',
})
const json = (parts: Partial<TokenizerJson>): TokenizerJson => ({
  version: '1.0',
  added_tokens: [],
  pre_tokenizer: { type: 'WhitespaceSplit' },
  model: words({ a: 0, b: 1, '</s>': 2 }),
  ...parts,
})
const bpe = (model: object): Partial<TokenizerJson> => ({
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: [], ...model } as TokenizerModel,
})
const normalizer = (part: object): Partial<TokenizerJson> => ({ normalizer: part })
const added = (content: string, flags: object) => ({ ...specialToken(9, content), special: false, ...flags })

describe('a tokenizer.json is refused, by the part that is at fault,', () => {
  const cases: [what: string, parts: Partial<TokenizerJson>, message: string][] = [
    [
      'a merge of an unknown token',
      bpe({ merges: ['a b', 'a c'] }),
      'model.merges[1]: "a" and "c" need tokens that model.vocab lacks: "c"',
    ],
    [
      'dropout',
      bpe({ dropout: 0.1 }),
      'model.dropout: expected 0 or null, as other ids come each time, received 0.1',
    ],
    ['merges of another form', bpe({ merges: ['ab'] }), 'model: Merges text file invalid'],
    [
      'ids that are none',
      { model: words({ a: 0.5 }) },
      'model: invalid type: floating point `0.5`, expected u32',
    ],
    [
      'an unknown id beyond the vocabulary',
      { model: { type: 'Unigram', vocab: [['a', 0]], unk_id: 5 } },
      'model: ',
    ],
    ['no vocabulary', { model: { type: 'BPE' } as never }, 'it has no model.vocab'],
    ['added tokens that are no list', { added_tokens: {} as never }, 'its added_tokens are not a list'],
    [
      'an added token that is none',
      { added_tokens: [null] as never },
      'added_tokens[0]: expected a token with its content, received null',
    ],
    [
      'a piece of Unigram without a score',
      { model: { type: 'Unigram', vocab: [['a', 0], null] as never } },
      'model.vocab[1]: expected a token and its score, received null',
    ],
    [
      'an added token without its flags',
      { added_tokens: [{ id: 3, content: 'x' }] as never },
      'added_tokens: missing field `single_word`',
    ],
    [
      'added tokens that normalize to the same',
      {
        ...normalizer({ type: 'Lowercase' }),
        added_tokens: [added('X', { normalized: true }), added('x', { normalized: true })],
      },
      'added_tokens: "x" and "X" are the same once they are normalized',
    ],
    [
      'pieces of a length below zero',
      { pre_tokenizer: { type: 'FixedLength', length: -1 } },
      'pre_tokenizer: expected a length of FixedLength above 0, received -1',
    ],
    [
      'a table that is not base64',
      normalizer({ type: 'Precompiled', precompiled_charsmap: 'no base64' }),
      "normalizer.precompiled_charsmap: expected SentencePiece's table in base64, received other characters",
    ],
    [
      'an unknown normalizer',
      normalizer({ type: 'Foo' }),
      'normalizer: expected a type among BertNormalizer, ',
    ],
    [
      'an unknown decoder within a sequence',
      { decoder: { type: 'Sequence', decoders: [{ type: 'Foo' }] } },
      'decoder: expected a type among ',
    ],
    [
      'a pattern that is none',
      { pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated', invert: false } },
      'pre_tokenizer: Oniguruma error',
    ],
    [
      'a pattern that repeats a repeat',
      { pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+b)+' }, behavior: 'Isolated', invert: false } },
      'pre_tokenizer: the pattern "(a+b)+" repeats a repeat',
    ],
    [
      'a decoder without its settings',
      { decoder: { type: 'ByteLevel' } },
      'decoder: missing field `add_prefix_space`',
    ],
    ['another version', { version: '2.0' }, "version: Unknown tokenizer version '2.0'"],
  ]
  it.each(cases)('with %s', (_what, parts, message) => {
    expect(() => new JsonTokenizer(json(parts))).toThrow(message)
  })
})

it('reads a whole charsmap, and refuses one with an entry that leads out of it', async () => {
  const url = new URL('../fixtures/tokenizers/parts.json', import.meta.url)
  const { tokenizers } = JSON.parse(await readFile(url, 'utf8')) as { tokenizers: TokenizerJson[] }
  const part = tokenizers.map((given) => given['normalizer'] as Record<string, string> | null)
  const table = Buffer.from(
    part.find((given) => given?.['type'] === 'Precompiled')!['precompiled_charsmap']!,
    'base64',
  )
  const read = (bytes: Buffer) =>
    new JsonTokenizer(
      json(normalizer({ type: 'Precompiled', precompiled_charsmap: bytes.toString('base64') })),
    )
  expect([...(await read(table).encode('a \u00ad b'))]).toEqual([0, 1])
  const entry = 4 + 4 * ((table.readUInt32LE(4) >>> 10) ^ 0xff)
  // Of the byte ff, which no text in UTF-8 has.
  table.writeUInt32LE((((2 ** 20) << 10) | 0xff) >>> 0, entry)
  expect(() => read(table)).toThrow('its trie leads out of it')
})

describe('what a tokenizer.json says of', () => {
  it('truncation and padding does not count', async () => {
    const truncation = { max_length: 1, strategy: 'LongestFirst', stride: 0, direction: 'Right' }
    const padding = {
      strategy: { Fixed: 8 },
      direction: 'Right',
      pad_to_multiple_of: null,
      pad_id: 0,
      pad_type_id: 0,
      pad_token: 'a',
    }
    expect([...(await new JsonTokenizer(json({ truncation, padding })).encode('a b b'))]).toEqual([0, 1, 1])
  })

  it("added tokens' ids does not count where the library gives others", async () => {
    const tokenizer = new JsonTokenizer(
      json({ added_tokens: [specialToken(900, '<x>'), specialToken(1, 'a')] }),
    )
    expect([...(await tokenizer.encode('<x>b'))]).toEqual([3, 1])
    expect(tokenizer).toMatchObject({ givenSize: 4, boi: 4, eoi: 5, vocabularySize: 6 })
  })
})

it('adds BOI and EOI after a vocabulary with gaps, with ids that Python gives too', async () => {
  const path = join(await temporaryFolder(), 'tokenizer.json')
  const given = json({
    model: words({ a: 0, b: 1, '</s>': 2, z: 900 }),
    added_tokens: [specialToken(4, '<x>')],
  })
  const tokenizer = new JsonTokenizer(given)
  expect(tokenizer).toMatchObject({ givenSize: 901, boi: 901, eoi: 902, vocabularySize: 903 })
  expect([...(await tokenizer.encode('b z <x>'))]).toEqual([1, 900, 4])
  expect(tokenizer.decode([901, 902])).toBe('<|boi|> <|eoi|>')
  expect(tokenizer.idsWithoutToken).toEqual(
    Array.from({ length: 900 }, (_, id) => id).filter((id) => id === 3 || id > 4),
  )
  await tokenizer.save(path)
  const saved = await JsonTokenizer.load(path)
  expect(saved).toMatchObject({ boi: 901, eoi: 902, vocabularySize: 903 })
  await expect(saved.encode('a <|boi|>')).rejects.toThrow('text must not spell <|boi|>')
})

it.each([{ type: 'Strip' }, {}])('strips the ends of tokens with %j', (type) => {
  const tokenizer = new JsonTokenizer(
    json({
      decoder: { ...type, content: '^', start: 2, stop: 1 },
      model: words({ b: 0, '^^^b^^': 1, '</s>': 2 }),
    }),
  )
  expect(tokenizer.decode([0, 1])).toBe('b^b^')
})

it('reads texts as UTF-8: half a surrogate pair is U+FFFD; NUL is a character', async () => {
  const tokenizer = new JsonTokenizer(json({ model: words({ a: 0, '\ufffd': 1, '\u0000': 2, '</s>': 3 }) }))
  expect([...(await tokenizer.encode('\ud83d \udc00 \u0000'))]).toEqual([1, 1, 2])
  expect(tokenizer.decode([2, 1])).toBe('\u0000 \ufffd')
})

it('quotes the beginning of a long text', async () => {
  const tokenizer = new JsonTokenizer(json({ model: { ...words({ a: 0, '</s>': 1 }), unk_token: 'none' } }))
  await expect(tokenizer.encode('b'.repeat(1e6))).rejects.toThrow(
    /must have tokens for all its parts, received "b{79}\.\.\. \(/,
  )
})

it('encodes texts that are asked for together, one without ids among them', async () => {
  const tokenizer = new JsonTokenizer(
    json({ model: { ...words({ a: 0, b: 1, '</s>': 2 }), unk_token: 'none' } }),
  )
  const [a, none, b] = await Promise.allSettled(['a', 'none', 'b'].map((text) => tokenizer.encode(text)))
  expect(a).toEqual({ status: 'fulfilled', value: Int32Array.of(0) })
  expect(none).toMatchObject({ status: 'rejected' })
  expect(b).toEqual({ status: 'fulfilled', value: Int32Array.of(1) })
})

describe('tokenizer_config.json beside it', () => {
  it.each([
    [
      { bos_token: null, eos_token: { content: 'b' } },
      { bos: undefined, eos: 1 },
    ],
    [{ bos_token: 'a' }, { bos: 0, eos: 2 }],
  ])('names tokens as %j', async (config, expected) => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'tokenizer.json'), `\ufeff${JSON.stringify(json({}))}`)
    await writeFile(join(folder, 'tokenizer_config.json'), `\ufeff${JSON.stringify(config)}`)
    const { bos, eos } = await JsonTokenizer.load(join(folder, 'tokenizer.json'))
    expect({ bos, eos }).toEqual(expected)
  })

  it.each([
    ['[]', 'expected an object, received []'],
    ['3', 'expected an object, received 3'],
    ['{"bos_token":5}', 'expected bos_token to be a text or {content}, received 5'],
  ])('is refused as %s', async (config, message) => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(json({})))
    await writeFile(join(folder, 'tokenizer_config.json'), config)
    const loading = JsonTokenizer.load(join(folder, 'tokenizer.json'))
    await expect(loading).rejects.toThrow(message)
  })
})
