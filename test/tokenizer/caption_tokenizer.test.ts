import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../lib/tokenizer/caption_tokenizer.js'
import { TextStream } from '../../lib/tokenizer/text_stream.js'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import { temporaryFolder } from '../temporary_folder.js'

interface Case {
  text: string
  ids: number[]
  decoded: string
  decodedWithoutSpecial: string
}

const path = new URL('../fixtures/tokenizers/caption_tokenizer.json', import.meta.url)
const { captions, cases } = JSON.parse(await readFile(path, 'utf8')) as { captions: string[]; cases: Case[] }
const tokenizer = makeCaptionTokenizer(captions)

describe('makeCaptionTokenizer', () => {
  it.each(cases)('agrees with the reference library on "$text"', async (expected) => {
    expect([...(await tokenizer.encode(expected.text))]).toEqual(expected.ids)
    expect(tokenizer.decode(expected.ids)).toBe(expected.decoded)
    expect(tokenizer.decode(expected.ids, { skipSpecial: true })).toBe(expected.decodedWithoutSpecial)
  })

  it('has one id for each special token and each word', () => {
    const { bos, eos, boi, eoi, vocabularySize } = tokenizer
    expect({ bos, eos, boi, eoi, vocabularySize }).toEqual({
      bos: 1,
      eos: 2,
      boi: 3,
      eoi: 4,
      vocabularySize: 45,
    })
  })

  it('knows every word of its captions, whatever the script', async () => {
    for (const caption of captions)
      expect([...(await tokenizer.encode(caption))]).not.toContain(tokenizer.unknown)
    expect([...(await tokenizer.encode('zebra'))]).toEqual([tokenizer.unknown])
  })

  it('parts punctuation from words, and puts it back', async () => {
    const shoes = makeCaptionTokenizer(['a red shoe', 'a (blue) bag.'])
    const plain = await shoes.encode('a red shoe')
    const marked = await shoes.encode('A red shoe.')
    expect(marked.slice(0, 3)).toEqual(plain)
    expect(shoes.decode(marked)).toBe('a red shoe.')
    const text = 'a (red) bag. (blue) shoe (a.'
    const ids = await shoes.encode(text)
    expect([...ids]).not.toContain(shoes.unknown)
    expect(shoes.decode(ids)).toBe(text)
    const stream = new TextStream(shoes)
    expect(Array.from(await shoes.encode('a (red) bag.'), (id) => stream.push(id))).toEqual([
      'a',
      ' (',
      'red',
      ')',
      ' bag',
      '.',
    ])
  })

  it('leaves words and their ids as they are where no punctuation is at their ends', () => {
    const [json] = makeCaptionTokenizer(['a T-shirt/top 3.5', "it's __init__"]).definition
    expect(Object.keys(json.model.vocab).slice(5)).toEqual(['3.5', '__init__', 'a', "it's", 't-shirt/top'])
  })

  it('does not depend on the order of the captions', async () => {
    const turned = makeCaptionTokenizer(captions.toReversed())
    for (const { text, ids } of cases) expect([...(await turned.encode(text))]).toEqual(ids)
  })

  it('knows words like those that objects are born with', async () => {
    const odd = makeCaptionTokenizer(['constructor 7 __proto__'])
    expect(odd.decode(await odd.encode('7 __proto__ constructor toString'))).toBe(
      '7 __proto__ constructor <unk>',
    )
  })

  it('is the same after it was saved and loaded', async () => {
    const file = join(await temporaryFolder(), 'tokenizer.json')
    await tokenizer.save(file)
    const loaded = await JsonTokenizer.load(file)
    expect(loaded.vocabularySize).toBe(tokenizer.vocabularySize)
    for (const { text, ids } of cases) expect([...(await loaded.encode(text))]).toEqual(ids)
  })

  it('streams words with the spaces between them', async () => {
    const stream = new TextStream(tokenizer)
    const ids = [tokenizer.bos!, ...(await tokenizer.encode('a photo of an ankle boot')), tokenizer.eos!]
    expect(ids.map((id) => stream.push(id))).toEqual(['', 'a', ' photo', ' of', ' an', ' ankle', ' boot', ''])
  })
})
