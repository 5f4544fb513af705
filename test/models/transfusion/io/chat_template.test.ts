import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Transfusion } from '../../../../lib/transfusion.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { llamaFolder, llamaTokenizerJson } from './llama_folder.js'

const image = { channels: 1 as const, patch: 2, height: 4, width: 4 }

it("a Llama's chat template goes with the model: saved, loaded, begun from and written as a Llama's", async () => {
  const text = '{{ messages[0].content }}'
  const llama = await llamaFolder()
  await writeFile(join(llama, 'tokenizer.json'), JSON.stringify(llamaTokenizerJson({})))
  await writeFile(join(llama, 'chat_template.jinja'), text)
  using model = await Transfusion.fromLlama(llama, { image })
  expect(model.chatTemplate!.text).toBe(text)
  const folder = await temporaryFolder()
  await model.save(join(folder, 'model'))
  using loaded = await Transfusion.load(join(folder, 'model'))
  expect(loaded.chatTemplate!.render([{ role: 'user', content: 'w7' }])).toBe('w7')
  using begun = await Transfusion.initializeFrom(join(folder, 'model'))
  expect(begun.chatTemplate!.text).toBe(text)
  await begun.toLlama(join(folder, 'llama'))
  const config: unknown = JSON.parse(await readFile(join(folder, 'llama', 'tokenizer_config.json'), 'utf8'))
  expect(config).toMatchObject({ chat_template: text })
})

it('a model folder whose chat template is none is refused by name', async () => {
  const llama = await llamaFolder()
  await writeFile(join(llama, 'tokenizer.json'), JSON.stringify(llamaTokenizerJson({})))
  await writeFile(join(llama, 'chat_template.jinja'), '{% for %}')
  await expect(Transfusion.fromLlama(llama, { image })).rejects.toThrow('chat template: ')
})
