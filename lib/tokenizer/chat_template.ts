import { join } from 'node:path'
import { Template } from '@huggingface/jinja'
import { exists } from '../files/exists.js'
import { readJson } from '../files/json_file.js'
import { readText } from '../files/text_file.js'
import type { JsonTokenizer } from './tokenizer.js'

/** A message of a conversation, as a template reads it. */
export interface TextMessage {
  /** Who wrote it: `system`, `user` or `assistant`; a template may know others. */
  readonly role: string
  /** What they wrote. */
  readonly content: string
}

/** Stands for an answer, to find what follows it. */
const anAnswer = 'an answer'

/**
 * A chat template, transformers' `chat_template`: Jinja that writes the messages of a conversation as the text that a model
 * was trained on, special tokens included.
 */
export class ChatTemplate {
  /** As it was read. */
  readonly text: string
  readonly #template: Template
  readonly #tokenizer: JsonTokenizer
  #endOfTurn: Promise<number | undefined> | undefined

  /** @throws Error where `text` is no Jinja template */
  constructor(text: string, tokenizer: JsonTokenizer) {
    this.text = text
    this.#tokenizer = tokenizer
    try {
      this.#template = new Template(text)
    } catch (error) {
      throw new Error(`chat template: ${(error as Error).message}`, { cause: error })
    }
  }

  /**
   * The text of a conversation. `prompt`: whether it ends with what precedes an answer.
   * @throws Error with what the template says of messages that it refuses
   */
  render(messages: readonly TextMessage[], prompt = true): string {
    const { bos, eos } = this.#tokenizer
    const name = (id: number | undefined) => (id === undefined ? '' : this.#tokenizer.decode([id]))
    try {
      return this.#template.render({
        messages,
        add_generation_prompt: prompt,
        bos_token: name(bos),
        eos_token: name(eos),
      })
    } catch (error) {
      throw new Error(`chat template: ${(error as Error).message}`, { cause: error })
    }
  }

  /** The special token that the template writes after an answer; undefined where it writes none. */
  endOfTurn(): Promise<number | undefined> {
    return (this.#endOfTurn ??= this.#findEndOfTurn())
  }

  async #findEndOfTurn(): Promise<number | undefined> {
    const text = this.render(
      [
        { role: 'user', content: 'a question' },
        { role: 'assistant', content: anAnswer },
      ],
      false,
    )
    const after = text.slice(text.lastIndexOf(anAnswer) + anAnswer.length).trimStart()
    const [first] = await this.#tokenizer.encode(after)
    const isSpecial = first !== undefined && this.#tokenizer.decode([first], { skipSpecial: true }) === ''
    return isSpecial ? first : undefined
  }
}

/**
 * The text of the template of a Hugging Face folder: `chat_template.jinja`, or `chat_template` in `tokenizer_config.json`, of
 * several the one called `default`. Undefined where it has none.
 */
export async function readChatTemplate(folder: string): Promise<string | undefined> {
  const path = join(folder, 'chat_template.jinja')
  if (await exists(path)) return readText(path)
  const config = await readJson(join(folder, 'tokenizer_config.json'), {})
  const { chat_template: written } = Object(config) as { chat_template?: unknown }
  const template: unknown = Array.isArray(written)
    ? (written as { name?: unknown; template?: unknown }[]).find(({ name }) => name === 'default')?.template
    : written
  return typeof template === 'string' ? template : undefined
}
