import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { GgufFile } from '../../lib/files/gguf/gguf_file.js'
import type { GgufValue } from '../../lib/files/gguf/header.js'
import { ggufTokenizer } from '../../lib/tokenizer/gguf_tokenizer.js'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'

const fixtures = new URL('../fixtures/gguf/', import.meta.url)
const readJson = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(new URL(name, fixtures), 'utf8'))
const [texts, expected] = (await Promise.all([readJson('texts.json'), readJson('llama_cpp_ids.json')])) as [
  string[],
  Record<string, number[][]>,
]

async function tokenizerOf(name: string): Promise<JsonTokenizer> {
  const path = fileURLToPath(new URL(name, fixtures))
  await using file = await GgufFile.open(path)
  const { json, names } = ggufTokenizer(file.metadata, path)
  return new JsonTokenizer(json, names)
}

describe.each(Object.keys(expected))('the tokenizer of %s', (name) => {
  it("has llama.cpp's ids", async () => {
    const tokenizer = await tokenizerOf(name)
    for (const [i, text] of texts.entries())
      expect([...(await tokenizer.encode(text))], JSON.stringify(text)).toEqual(expected[name]![i])
  })

  it('decodes what it has encoded', async () => {
    const tokenizer = await tokenizerOf(name)
    // After a token beside the vocabulary SentencePiece puts a space as before a text.
    for (const text of texts.filter((text) => !text.includes('<|user|>') && !text.includes('<s>')))
      expect(tokenizer.decode(await tokenizer.encode(text))).toBe(text)
  })

  it('knows which tokens frame documents', async () => {
    const tokenizer = await tokenizerOf(name)
    expect(tokenizer.decode([tokenizer.bos!])).toBe('<s>')
    expect(tokenizer.decode([tokenizer.eos!])).toBe('</s>')
  })
})

describe('ggufTokenizer', () => {
  const whole: Record<string, GgufValue> = {
    model: 'gpt2',
    pre: 'gpt-2',
    tokens: ['a', 'b', 'ab'],
    token_type: [1, 1, 1],
    merges: ['a b'],
  }
  const message = (changes: Record<string, GgufValue | undefined>) => {
    const entries = Object.entries({ ...whole, ...changes }).filter(([, value]) => value !== undefined)
    const metadata = entries.map(([key, value]) => [`tokenizer.ggml.${key}`, value!] as const)
    try {
      ggufTokenizer(new Map(metadata), 'a.gguf')
    } catch (error) {
      return (error as Error).message
    }
    return undefined
  }

  it.each<[string, Record<string, GgufValue | undefined>]>([
    ['"tokenizer.ggml.tokens" is missing', { tokens: undefined }],
    ['"tokenizer.ggml.tokens" is no list of strings', { tokens: [1, 2] }],
    ['"tokenizer.ggml.token_type" has 2 items, "tokenizer.ggml.tokens" 3', { token_type: [1, 1] }],
    ['"tokenizer.ggml.tokens" has the token "a" twice', { tokens: ['a', 'b', 'a'] }],
    ['"tokenizer.ggml.merges" is missing', { merges: undefined }],
    ['"tokenizer.ggml.scores" is missing', { model: 'llama' }],
    [
      '"tokenizer.ggml.pre" is "tekken"; those read are gpt-2, smollm, llama-bpe, llama-v3, llama3, qwen2',
      { pre: 'tekken' },
    ],
    [
      '"tokenizer.ggml.model" is "rwkv"; those read are gpt2 (byte-level BPE) and llama (SentencePiece)',
      { model: 'rwkv' },
    ],
  ])('refuses: %s', (problem, changes) => {
    expect(message({})).toBeUndefined()
    expect(message(changes)).toBe(`a.gguf: ${problem}`)
  })
})
