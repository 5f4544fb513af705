import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConversationDocument } from '../../../lib/generation/conversation/document.js'
import { testImage } from '../../models/transfusion/tiny_model.js'
import { temporaryFolder } from '../../temporary_folder.js'

describe('ConversationDocument', () => {
  it("keeps the user's texts and the model's answers apart, with a space before a text where there is none", () => {
    const document = new ConversationDocument()
    document.appendText('Once upon')
    document.appendAnswer(' a')
    document.appendAnswer(' time')
    document.appendText('there was')
    document.appendAnswer('\n')
    document.appendText('')
    document.appendAnswer('a')
    document.appendText(' cat')
    expect(document.prompt).toEqual(['Once upon', ' a time', ' there was', '\n', 'a', ' cat'])
    expect(new ConversationDocument().isEmpty).toBe(true)
  })

  it('saves itself as a line that names images from there, and no file twice', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'one.jsonl')
    const document = new ConversationDocument()
    await expect(document.save(path)).rejects.toThrow('the document is empty')
    document.appendText('a')
    document.appendImage(testImage(4, 6, 1), join(folder, 'images', '0001.png'))
    document.appendAnswer('b')
    await document.save(path)
    expect(await readFile(path, 'utf8')).toBe(
      `{"parts":["a",{"image":${JSON.stringify(join('images', '0001.png'))}},"b"]}\n`,
    )
    await expect(document.save(path)).rejects.toThrow(`${path} exists already`)
  })
})
