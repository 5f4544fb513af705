import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import type { TokenizerJson, TokenizerModel } from '../../lib/tokenizer/tokenizer_json.js'

/** A text, its ids or the reason why it has none, and other ids with their text. */
type Case = [text: string, ids: number[] | string, drawn?: number[], decoded?: string]

const path = new URL('../fixtures/tokenizers/parts.json', import.meta.url)
const { models, tokenizers } = JSON.parse(await readFile(path, 'utf8')) as {
  models: Record<string, TokenizerModel>
  tokenizers: (Omit<TokenizerJson, 'model'> & { model: string; cases: Case[] })[]
}

const named = tokenizers.map(({ model, cases, ...parts }) => {
  const { decoder, normalizer, pre_tokenizer, added_tokens } = parts
  const name = JSON.stringify([model, normalizer, pre_tokenizer, decoder, added_tokens]).slice(0, 200)
  return [name, { ...parts, model: models[model]! }, cases] as const
})

it.each(named)("gives Python's ids and text with %s", async (_name, json, cases) => {
  const tokenizer = new JsonTokenizer(json)
  for (const [text, ids, drawn = [], decoded = ''] of cases) {
    const given = await tokenizer.encode(text).then(
      (found) => [...found],
      ({ message }: Error) => /\((.*)\)$/.exec(message)![1],
    )
    expect(given).toEqual(ids)
    expect(tokenizer.decode(drawn)).toBe(decoded)
  }
})
