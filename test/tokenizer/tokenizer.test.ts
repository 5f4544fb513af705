import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TextStream } from '../../lib/tokenizer/text_stream.js'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import type { TokenizerJson } from '../../lib/tokenizer/tokenizer_json.js'
import { temporaryFolder } from '../temporary_folder.js'

interface Case {
  text: string
  ids: number[]
  decoded: string
}

const folder = new URL('../fixtures/tokenizers/', import.meta.url).pathname
const { cases } = JSON.parse(await readFile(join(folder, 'tokenizers.json'), 'utf8')) as {
  cases: Record<string, Case[]>
}
const byteLevel = await JsonTokenizer.load(join(folder, 'tokenizer-bytelevel.json'), {
  boi: '<boi>',
  eoi: '<eoi>',
})
const llamaStyle = await JsonTokenizer.load(join(folder, 'tokenizer-llama-style.json'))
/** Where the Llama style fixture has <0x00>, the first of the 256 byte tokens. */
const FIRST_BYTE_ID = 3
const bytes = (...values: number[]) => values.map((value) => FIRST_BYTE_ID + value)

const tokenizers = [
  ['tokenizer-bytelevel.json', byteLevel],
  ['tokenizer-llama-style.json', llamaStyle],
] as const

describe.each(tokenizers)('%s', (file, tokenizer) => {
  it.each(cases[file])('encodes and decodes $text as the reference does', async ({ text, ids, decoded }) => {
    expect([...(await tokenizer.encode(text))]).toEqual(ids)
    expect(tokenizer.decode(ids)).toBe(decoded)
  })

  it.each(cases[file])('streams $text in whole characters', ({ text, ids }) => {
    const stream = new TextStream(tokenizer)
    const pieces = ids.map((id) => stream.push(id))
    expect([...pieces, stream.flush()].join('')).toBe(text.replaceAll(/<\/?s>/g, ''))
    expect(pieces.join('')).not.toContain('\ufffd')
  })

  it('streams one piece at a time', async () => {
    const stream = new TextStream(tokenizer)
    const pieces = Array.from(await tokenizer.encode('a photo of a boot'), (id) => stream.push(id))
    expect(pieces.filter((piece) => piece !== '').length).toBeGreaterThan(3)
  })

  it.each([-1, 100_000, 1.5])('refuses the id %d', (id) => {
    expect(() => tokenizer.decode([id])).toThrow(
      `decode: ids must be those of tokens, of a vocabulary of ${tokenizer.vocabularySize}, received ${id}`,
    )
  })
})

describe('JsonTokenizer', () => {
  it('takes the special tokens that a vocabulary has', () => {
    const { bos, eos, boi, eoi, vocabularySize } = byteLevel
    expect({ bos, eos, boi, eoi, vocabularySize }).toEqual({
      bos: 0,
      eos: 1,
      boi: 2,
      eoi: 3,
      vocabularySize: 574,
    })
  })

  it('adds BOI and EOI after a vocabulary that lacks them', () => {
    const { bos, eos, boi, eoi, vocabularySize } = llamaStyle
    expect({ bos, eos, boi, eoi, vocabularySize }).toEqual({
      bos: 1,
      eos: 2,
      boi: 700,
      eoi: 701,
      vocabularySize: 702,
    })
    expect(llamaStyle.decode([boi, eoi])).toBe('<|boi|><|eoi|>')
    expect(llamaStyle.decode([boi, eoi], { skipSpecial: true })).toBe('')
  })

  it('saves what it added', async () => {
    const path = join(await temporaryFolder(), 'tokenizer.json')
    await llamaStyle.save(path)
    const loaded = await JsonTokenizer.load(path)
    const { boi, eoi, vocabularySize } = loaded
    expect({ boi, eoi, vocabularySize }).toEqual({ boi: 700, eoi: 701, vocabularySize: 702 })
    for (const { text, ids } of cases['tokenizer-llama-style.json'])
      expect([...(await loaded.encode(text))]).toEqual(ids)
  })

  it.each([llamaStyle, byteLevel])('refuses text that spells a marker of images', async (tokenizer) => {
    const marker = tokenizer.decode([tokenizer.boi])
    await expect(tokenizer.encode(`draw ${marker} now`)).rejects.toThrow(`text must not spell ${marker}`)
  })

  it('reads the names of a tokenizer_config.json beside it', async () => {
    const copy = await temporaryFolder()
    await cp(join(folder, 'tokenizer-bytelevel.json'), join(copy, 'tokenizer.json'))
    const config = { bos_token: { content: '</s>' }, eos_token: '<s>' }
    await writeFile(join(copy, 'tokenizer_config.json'), JSON.stringify(config))
    const { bos, eos } = await JsonTokenizer.load(join(copy, 'tokenizer.json'))
    expect({ bos, eos }).toEqual({ bos: 1, eos: 0 })
  })

  it('names the file and what is wrong with it', async () => {
    const path = join(await temporaryFolder(), 'tokenizer.json')
    await expect(JsonTokenizer.load(path)).rejects.toThrow(`${path}: no such file`)
    await writeFile(path, '{"model"')
    await expect(JsonTokenizer.load(path)).rejects.toThrow(`${path}: not JSON (`)
    await writeFile(path, '{"model":{}}')
    await expect(JsonTokenizer.load(path)).rejects.toThrow(
      `${path}: not a usable tokenizer.json (it has no model.vocab)`,
    )
    await writeFile(path, 'null')
    await expect(JsonTokenizer.load(path)).rejects.toThrow(`${path}: not a usable tokenizer.json`)
    const bos = JsonTokenizer.load(join(folder, 'tokenizer-bytelevel.json'), { bos: '<start>' })
    await expect(bos).rejects.toThrow('its vocabulary has no special token "<start>"')
  })

  it('says so where a vocabulary has no token for a text, nor one for the unknown', async () => {
    const json: TokenizerJson = {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: 'WhitespaceSplit' },
      post_processor: null,
      decoder: null,
      model: { type: 'WordLevel', vocab: { boot: 0 } },
    }
    const tokenizer = new JsonTokenizer(json)
    expect([...(await tokenizer.encode('boot boot'))]).toEqual([0, 0])
    await expect(tokenizer.encode('boot bag')).rejects.toThrow(
      'encode: text must have tokens for all its parts, received "boot bag"',
    )
  })
})

describe('TextStream', () => {
  it('holds a character back until its last byte has come', () => {
    const stream = new TextStream(llamaStyle)
    expect(bytes(0xe6, 0x97, 0xa5).map((id) => stream.push(id))).toEqual(['', '', '日'])
    expect(stream.flush()).toBe('')
  })

  it('gives bytes that never make a character as U+FFFD', () => {
    const stream = new TextStream(llamaStyle)
    expect(bytes(0xe6, 0x97).map((id) => stream.push(id))).toEqual(['', ''])
    expect(stream.flush()).toBe('\ufffd\ufffd')
    const [invalid, letter] = bytes(0xff, 0x41)
    // As the reference: a run of bytes is text or it is not.
    expect([stream.push(invalid), stream.push(letter)]).toEqual(['', ''])
    expect(stream.flush()).toBe('\ufffd\ufffd')
  })

  it('keeps what it has given out where bytes that are no character follow it', () => {
    const stream = new TextStream(llamaStyle)
    const [x, invalid, ...character] = bytes(0x78, 0xff, 0xe6, 0x97, 0xa5)
    expect([...character, x].map((id) => stream.push(id))).toEqual(['', '', '日', 'x'])
    expect([invalid, invalid].map((id) => stream.push(id))).toEqual(['', ''])
    expect(stream.flush()).toBe('\ufffd\ufffd')
  })

  it('gives no text for special tokens, and goes on after them', async () => {
    const stream = new TextStream(llamaStyle)
    const [a, b] = [await llamaStyle.encode('a'), await llamaStyle.encode('b')]
    const ids = [llamaStyle.bos!, ...a, llamaStyle.boi, llamaStyle.eoi, ...b]
    expect(ids.map((id) => stream.push(id)).join('')).toBe(llamaStyle.decode(ids, { skipSpecial: true }))
  })

  it('streams random ids as they decode together', () => {
    let state = 7
    for (let round = 0; round < 200; round++) {
      const ids = Array.from({ length: 20 }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        const id = Math.floor((state / 2 ** 32) * llamaStyle.vocabularySize)
        // Bytes alone are rarely a character.
        return id >= FIRST_BYTE_ID + 0x80 && id < FIRST_BYTE_ID + 0x100 ? bytes(0xe6, 0x97, 0xa5) : [id]
      }).flat()
      const stream = new TextStream(llamaStyle)
      const text = ids.map((id) => stream.push(id)).join('') + stream.flush()
      expect(text).toBe(llamaStyle.decode(ids, { skipSpecial: true }))
    }
  })
})
