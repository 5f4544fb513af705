import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { BpeSettings } from '../../../lib/tokenizer/bpe/options.js'
import { type BpeProgress, trainTokenizer } from '../../../lib/tokenizer/bpe/train_tokenizer.js'
import type { TokenizerJson } from '../../../lib/tokenizer/tokenizer_json.js'
import { temporaryFolder } from '../../temporary_folder.js'

interface Case {
  name: string
  texts: string[]
  settings: BpeSettings
  /** The tokenizer.json that Hugging Face's trainer saves. */
  tokenizer: TokenizerJson
  encoded: { text: string; ids: number[] }[]
}

const fixture = new URL('../../fixtures/tokenizers/bpe.json', import.meta.url)
const { cases } = JSON.parse(await readFile(fixture, 'utf8')) as { cases: Case[] }

/** The texts in reverse, each after other work. */
async function* later(texts: string[]): AsyncGenerator<string, void, undefined> {
  for (const text of texts.toReversed()) {
    await new Promise((resolve) => setImmediate(resolve))
    yield text
  }
}

describe.each(cases)('a tokenizer trained on $name', ({ texts, settings, tokenizer: expected, encoded }) => {
  it("is the one that Hugging Face's trainer makes, whatever the order of the texts", async () => {
    const path = join(await temporaryFolder(), 'tokenizer.json')
    for (const order of [texts, later(texts)]) {
      await (await trainTokenizer(order, settings)).save(path)
      const saved = JSON.parse(await readFile(path, 'utf8')) as TokenizerJson
      // Markers of images that the special tokens lack are added, as to any tokenizer.
      const { length } = expected.added_tokens!
      expect({ ...saved, added_tokens: saved.added_tokens!.slice(0, length) }).toEqual(expected)
    }
  })

  it('encodes as the original does, and decodes to the same text', async () => {
    const tokenizer = await trainTokenizer(texts, settings)
    for (const { text, ids } of encoded) {
      expect([...(await tokenizer.encode(text))]).toEqual(ids)
      expect(tokenizer.decode(ids)).toBe(text)
    }
  })
})

describe('trainTokenizer', () => {
  it('knows what frames documents and images', async () => {
    const { bos, eos, boi, eoi, vocabularySize, givenSize } = await trainTokenizer(['to be or not to be'])
    expect({ bos, eos, boi, eoi }).toEqual({ bos: 0, eos: 1, boi: 2, eoi: 3 })
    expect(vocabularySize).toBe(givenSize)
  })

  it('adds markers of images after a vocabulary whose special tokens lack them', async () => {
    const tokenizer = await trainTokenizer(['to be or not to be'], { specialTokens: ['<|endoftext|>'] })
    const { bos, eos, boi, eoi, givenSize } = tokenizer
    expect({ bos, eos, boi, eoi }).toEqual({ bos: 0, eos: 0, boi: givenSize, eoi: givenSize + 1 })
  })

  it('takes lone surrogates as what UTF-8 has for them', async () => {
    const settings = { vocabulary: 300, minimumFrequency: 1 }
    const [lone, replaced] = await Promise.all(
      ['\ud800 a\udc00b', '\ufffd a\ufffdb'].map((text) => trainTokenizer([text], settings)),
    )
    expect(lone!.definition).toEqual(replaced!.definition)
  })

  it('tells how far it is, and lets other work run', async () => {
    const told: BpeProgress[] = []
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    const texts = Array.from({ length: 200 }, (_, i) => `text ${i} of `.repeat(2000) + i * i)
    const tokenizer = await trainTokenizer(
      texts,
      { vocabulary: 400 },
      { onProgress: (now) => told.push(now) },
    )
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(1)
    const last = told.at(-1)!
    expect(last).toEqual({ stage: 'merging', tokens: tokenizer.givenSize, vocabulary: 400 })
    const characters = texts.reduce((sum, text) => sum + text.length, 0)
    expect(told.findLast(({ stage }) => stage === 'reading')).toMatchObject({ characters })
  })

  it('ends when it is aborted, while it reads and while it merges', async () => {
    const reason = new Error('enough')
    for (const stage of ['reading', 'merging'] as const) {
      const controller = new AbortController()
      const texts = Array.from({ length: 20_000 }, (_, i) => `${(i * 7919) % 20_011} `.repeat(20))
      const training = trainTokenizer(
        texts,
        {},
        {
          signal: controller.signal,
          onProgress: (progress) => progress.stage === stage && controller.abort(reason),
        },
      )
      await expect(training).rejects.toBe(reason)
    }
    const signal = AbortSignal.abort(reason)
    await expect(trainTokenizer([], {}, { signal })).rejects.toBe(reason)
  })

  it('rejects with what the texts throw', async () => {
    async function* texts(): AsyncGenerator<string> {
      yield 'one'
      throw new Error('a.txt: cannot be read')
    }
    await expect(trainTokenizer(texts())).rejects.toThrow('a.txt: cannot be read')
  })

  it.each([
    [
      { vocabulary: 259 },
      'vocabulary: expected at least 260, the special tokens and the 256 bytes; received 259',
    ],
    [{ minimumFrequency: 0 }, 'minimumFrequency: expected'],
    [{ specialTokens: ['<s>', '<s>'] }, 'specialTokens: expected different tokens'],
    [{ vocabularySize: 300 }, 'vocabularySize: unknown key; did you mean "vocabulary"?'],
  ])('checks the options %j', async (settings, message) => {
    await expect(trainTokenizer([], settings as BpeSettings)).rejects.toThrow(message)
  })

  it('counts a special token that is a byte once', async () => {
    const { givenSize } = await trainTokenizer([], { vocabulary: 257, specialTokens: ['a', '<s>'] })
    expect(givenSize).toBe(257)
  })
})
