import { describe, expect, it } from 'vitest'
import { type ChatMessage, chatPieces, isChat } from '../../lib/generation/chat.js'
import { generate } from '../../lib/generation/generate.js'
import type { GenerationEvent } from '../../lib/generation/events.js'
import { preparePrompt } from '../../lib/generation/prompt.js'
import { ChatTemplate } from '../../lib/tokenizer/chat_template.js'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import { specialToken } from '../../lib/tokenizer/tokenizer_json.js'
import { testImage, testImagePart, tokens } from '../models/transfusion/tiny_model.js'
import { scriptedModel, tokenizer } from './scripted_model.js'

const model = await scriptedModel()
const image = testImage(4, 4, 1)
/** Writes "a" before an answer: the model then writes "b", an image, "c d e f" and the end. */
const simple = new ChatTemplate(
  '{% for message in messages %}{{ message.content }} {% endfor %}{% if add_generation_prompt %}a{% endif %}',
  tokenizer,
)

const asMessages = (...contents: ChatMessage['content'][]) =>
  contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))

async function finish(events: AsyncIterable<GenerationEvent>) {
  let text = ''
  for await (const event of events) {
    if (event.type === 'text') text += event.text
    if (event.type === 'done') return { text, reason: event.reason }
  }
  return undefined
}

describe('chatPieces', () => {
  it('puts images where the template puts the text that has them', () => {
    const other = testImage(8, 4, 1)
    expect(chatPieces(asMessages(['c', image, 'd', other], 'e'), simple)).toEqual([
      'c',
      image,
      'd',
      other,
      ' e a',
    ])
  })

  it.each<[string, unknown, string]>([
    ['another thing among messages', [{ role: 'user', content: 'a' }, 'b'], 'prompt[1] must be a message'],
    ['a message without a text', [{ role: 'user' }], 'prompt[0] must be a message { role, content }'],
    ['a message without an author', [{ role: 3, content: 'a' }], 'prompt[0] must be a message'],
  ])('refuses %s', (_, messages, words) => {
    expect(isChat(messages)).toBe(true)
    expect(() => chatPieces(messages as ChatMessage[], simple)).toThrow(words)
  })

  it('refuses a template that leaves images out', () => {
    const forgetful = new ChatTemplate('{{ messages[0].role }}', tokenizer)
    expect(() => chatPieces(asMessages(['a', image]), forgetful)).toThrow(
      'chat template: writes 0 of the 1 images of the messages',
    )
  })
})

describe('a prompt of messages', () => {
  it('is the document that the template makes, without a BOS of its own', async () => {
    const { prompt, endOfTurn } = await preparePrompt(asMessages(['c', image]), {
      ...model,
      chatTemplate: simple,
    })
    expect(prompt.map((part) => (part.type === 'text' ? [...part.ids] : part))).toEqual([
      [7],
      [tokens.boi],
      testImagePart(4, 4, 1),
      [tokens.eoi],
      [5],
    ])
    expect(endOfTurn).toBeUndefined()
  })

  it('is answered, and ends where the document does', async () => {
    const events = generate({ ...model, chatTemplate: simple }, asMessages('c'), { steps: 2 })
    expect(await finish(events)).toEqual({ text: 'bc d e f', reason: 'end' })
  })

  it('ends with the special token that the template writes after an answer', async () => {
    const [json] = tokenizer.definition
    const withSpecial = new JsonTokenizer({
      ...json,
      added_tokens: [...(json.added_tokens ?? []), specialToken(8, 'd')],
    })
    const chatTemplate = new ChatTemplate(
      '{% for message in messages %}{{ message.content }} d {% endfor %}{% if add_generation_prompt %}a{% endif %}',
      withSpecial,
    )
    const events = generate({ ...model, tokenizer: withSpecial, chatTemplate }, asMessages('c'), { steps: 2 })
    expect(await finish(events)).toEqual({ text: 'bc', reason: 'end' })
  })

  it('is refused by a model without a template', async () => {
    await expect(finish(generate(model, asMessages('a')))).rejects.toThrow(
      'prompt must be text or images: the model has no chat template to make a document of messages',
    )
  })
})
