import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { GgufFile } from '../../lib/files/gguf/gguf_file.js'
import { ChatTemplate, readChatTemplate } from '../../lib/tokenizer/chat_template.js'
import { ggufTokenizer } from '../../lib/tokenizer/gguf_tokenizer.js'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import { temporaryFolder } from '../temporary_folder.js'

const path = fileURLToPath(new URL('../fixtures/gguf/vocab-llama-bpe.gguf', import.meta.url))
await using file = await GgufFile.open(path)
const { json, names } = ggufTokenizer(file.metadata, path)
/** Has the special tokens <s> and </s>, and <|user|>. */
const tokenizer = new JsonTokenizer(json, names)

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: ' Who?\n' },
  { role: 'assistant', content: 'Me.' },
  { role: 'user', content: 'Why?' },
]

/** In the manner of ChatML, and of Llama 2. */
const marks =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] | trim + eos_token + '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
const brackets =
  "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}" +
  "{%- if message.role == 'system' %}{% set ns.system = message.content ~ '\\n' %}" +
  "{%- elif message.role == 'user' %}[INST] {{ ns.system ~ message.content.strip() }} [/INST]{% set ns.system = '' %}" +
  "{%- elif message.role == 'assistant' %} {{ message.content }} {{ eos_token }}" +
  "{%- else %}{{ raise_exception('roles are system, user and assistant') }}{% endif %}{% endfor %}"

describe('ChatTemplate', () => {
  it('writes messages up to where the answer begins, or to the end', () => {
    const template = new ChatTemplate(marks, tokenizer)
    const written =
      '<|system|>\nBe brief.</s>\n<|user|>\nWho?</s>\n<|assistant|>\nMe.</s>\n<|user|>\nWhy?</s>\n'
    expect(template.render(messages)).toBe(`${written}<|assistant|>\n`)
    expect(template.render(messages, false)).toBe(written)
    expect(new ChatTemplate(brackets, tokenizer).render(messages)).toBe(
      '<s>[INST] Be brief.\nWho? [/INST] Me. </s>[INST] Why? [/INST]',
    )
  })

  it('finds the special token that follows an answer', async () => {
    const end = (text: string) => new ChatTemplate(text, tokenizer).endOfTurn()
    expect(await end(marks)).toBe(tokenizer.eos)
    expect(await end(brackets)).toBe(tokenizer.eos)
    expect(await end("{{ messages[1].content + '<s>' }}")).toBe(tokenizer.bos)
    expect(await end("{{ messages[1].content + '<|user|>' }}")).toBeUndefined()
    expect(await end('{{ messages[1].content }}')).toBeUndefined()
  })

  it('says what is wrong with a template, and what one says of messages that it refuses', () => {
    expect(() => new ChatTemplate('{% for %}', tokenizer)).toThrow('chat template: ')
    const template = new ChatTemplate(brackets, tokenizer)
    expect(() => template.render([{ role: 'tool', content: '' }])).toThrow(
      'chat template: roles are system, user and assistant',
    )
  })
})

describe('readChatTemplate', () => {
  it('finds the template where Hugging Face puts it', async () => {
    const folder = await temporaryFolder()
    const written = async (name: string, files: Record<string, string>) => {
      await mkdir(join(folder, name))
      for (const [file, text] of Object.entries(files)) await writeFile(join(folder, name, file), text)
      return readChatTemplate(join(folder, name))
    }
    const config = (chat_template: unknown) => JSON.stringify({ chat_template })
    expect(await written('none', {})).toBeUndefined()
    expect(await written('without', { 'tokenizer_config.json': '{}' })).toBeUndefined()
    expect(await written('text', { 'tokenizer_config.json': config(marks) })).toBe(marks)
    const several = [
      { name: 'tool_use', template: brackets },
      { name: 'default', template: marks },
    ]
    expect(await written('several', { 'tokenizer_config.json': config(several) })).toBe(marks)
    expect(
      await written('file', { 'chat_template.jinja': marks, 'tokenizer_config.json': config(brackets) }),
    ).toBe(marks)
  })
})
