import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../lib/data/caption_tokenizer.js'
import { TextStream } from '../../lib/data/text_stream.js'
import { JsonTokenizer } from '../../lib/data/tokenizer.js'
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
      vocabularySize: 14,
    })
  })

  it('does not depend on the order of the captions', async () => {
    const turned = makeCaptionTokenizer(captions.toReversed())
    for (const { text, ids } of cases) expect([...(await turned.encode(text))]).toEqual(ids)
  })

  it('knows words like those that objects are born with', async () => {
    const odd = makeCaptionTokenizer(['constructor 7 __proto__'])
    expect(odd.decode(await odd.encode('7 __proto__ constructor toString'))).toBe('7 __proto__ constructor <unk>')
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
