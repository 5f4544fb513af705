import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AnswerStopped, Conversation } from '../../../lib/generation/conversation/conversation.js'
import type { GenerationOptions } from '../../../lib/generation/options.js'
import { PictureFolder } from '../../../lib/image/picture_folder.js'
import { testImage } from '../../models/transfusion/tiny_model.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { scriptedModel } from '../scripted_model.js'

const model = await scriptedModel()

async function conversation(options: GenerationOptions = {}, previews = false) {
  const path = await temporaryFolder()
  const folder = await PictureFolder.open(path)
  return { path, chat: new Conversation(model, { steps: 3, ...options }, { folder, previews }) }
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
})
