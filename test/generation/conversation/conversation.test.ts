import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  AnswerStopped,
  Conversation,
  type ConversationFormat,
} from '../../../lib/generation/conversation/conversation.js'
import type { GenerativeModel } from '../../../lib/generation/model.js'
import type { GenerationOptions } from '../../../lib/generation/options.js'
import { PictureFolder } from '../../../lib/image/picture_folder.js'
import { ChatTemplate } from '../../../lib/tokenizer/chat_template.js'
import { testImage } from '../../models/transfusion/tiny_model.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { scriptedModel } from '../scripted_model.js'

const model = await scriptedModel()

async function conversation(
  options: GenerationOptions = {},
  previews = false,
  of: GenerativeModel = model,
  format: ConversationFormat = {},
) {
  const path = await temporaryFolder()
  const folder = await PictureFolder.open(path)
  return { path, chat: new Conversation(of, { steps: 3, ...options }, { folder, previews }, format) }
}

async function typesOf(events: AsyncIterable<{ type: string }>): Promise<string[]> {
  const types: string[] = []
  for await (const { type } of events) types.push(type)
  return types
}

describe('Conversation', () => {
  it('appends what the model answers to the document, with images as files, and takes the next seed', async () => {
    const { path, chat } = await conversation({ seed: 5 })
    expect(await chat.appendText('a zebra')).toContain('does not know "zebra"')
    chat.reset()
    expect(await chat.appendText('a')).toBeUndefined()
    expect(await typesOf(chat.answer())).toEqual('text image-start image text text text text done'.split(' '))
    expect(chat.seed).toBe(6)
    expect(await readdir(path)).toEqual(['0001.png'])
    const { parts } = JSON.parse(chat.document.toJson(join(path, 'one.jsonl'))) as { parts: unknown[] }
    expect(parts).toEqual(['a', 'b', { image: '0001.png' }, 'c d e f'])
    chat.appendImage(testImage(4, 4, 1), 'two.png')
    await typesOf(chat.answer({ maxImages: 0 }))
    expect(chat.document.prompt).toHaveLength(6)
  })

  it('keeps what came of an answer that is stopped, and goes on', async () => {
    const { chat } = await conversation({ previewEvery: 1, steps: 1000 })
    expect(chat.stop()).toBe(false)
    await chat.appendText('a')
    const stops: boolean[] = []
    const answer = async () => {
      for await (const { type } of chat.answer()) if (type === 'preview') stops.push(chat.stop())
    }
    await expect(answer()).rejects.toThrow(AnswerStopped)
    expect(stops).toEqual([true])
    expect(chat.stop()).toBe(false)
    expect(chat.document.prompt).toEqual(['a', 'b'])
    await chat.appendText('c')
    expect(await typesOf(chat.answer({ maxImages: 0 }))).toContain('done')
  })

  const seen: unknown[][] = []
  /** Before an answer it writes "a". */
  class RecordedTemplate extends ChatTemplate {
    override render(...[messages, prompt]: Parameters<ChatTemplate['render']>) {
      if (prompt !== false) seen.push(messages.map(({ role, content }) => [role, content]))
      return super.render(messages, prompt)
    }
  }
  const chatTemplate = new RecordedTemplate(
    '{% for message in messages %}{{ message.content }} {% endfor %}{% if add_generation_prompt %}a{% endif %}',
    model.tokenizer,
  )

  it('is messages to a model with a chat template, each of what one wrote in a row', async () => {
    const { chat } = await conversation({ maxImages: 0 }, false, { ...model, chatTemplate }, { system: 'g' })
    await expect(typesOf(chat.answer())).rejects.toThrow('a message of text or images is missing')
    await chat.appendText('c')
    await chat.appendText('d')
    await typesOf(chat.answer())
    await expect(typesOf(chat.answer())).rejects.toThrow('a message of text or images is missing')
    await chat.appendText('b')
    await typesOf(chat.answer())
    expect(seen).toEqual([
      [
        ['system', 'g'],
        ['user', 'c\nd'],
      ],
      [
        ['system', 'g'],
        ['user', 'c\nd'],
        ['assistant', 'b e f'],
        ['user', 'b'],
      ],
    ])
  })

  it('leaves the template alone where it is told to, and needs one for messages', async () => {
    const { chat } = await conversation(
      { maxImages: 0 },
      false,
      { ...model, chatTemplate },
      { messages: false },
    )
    await chat.appendText('b')
    await typesOf(chat.answer())
    expect(chat.document.prompt).toEqual(['b', 'e f'])
    await expect(conversation({}, false, model, { messages: true })).rejects.toThrow(
      'messages must be false for a model without a chat template',
    )
    await expect(conversation({}, false, model, { system: 'g' })).rejects.toThrow(
      'a system message needs a model with a chat template',
    )
  })
})
