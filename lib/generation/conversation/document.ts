import { writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import type { Image } from '../../image/image.js'
import type { ChatMessage } from '../chat.js'
import type { DocumentPrompt } from '../prompt.js'

/** An image of a conversation, and the file that has it. */
interface ImageWithFile {
  image: Image
  file: string
}

type Author = 'user' | 'assistant'

interface WrittenPart {
  readonly author: Author
  content: string | ImageWithFile
}

/** The document that a user and a model write in turns: the model continues what both have written so far. */
export class ConversationDocument {
  readonly #parts: WrittenPart[] = []
  /** Whether the last part is a text of the model that may grow. */
  #isAnswering = false

  get isEmpty(): boolean {
    return this.#parts.length === 0
  }

  /** Whether the user wrote last. */
  get isAsking(): boolean {
    return this.#parts.at(-1)?.author === 'user'
  }

  /**
   * The whole document, for the model to continue. A text of the user has a space before it where the text before does not end
   * in white space. It is a part of its own, and so is the answer to it: some tokenizers write no space before a text's first
   * word, so in one text the two would run into one word.
   */
  get prompt(): Exclude<DocumentPrompt, string> {
    return this.#joined.map((part) => (typeof part === 'string' ? part : part.image))
  }

  /**
   * The document as a conversation, for the model to answer: what one of the two wrote in a row is one message, with the user's
   * texts on lines of their own.
   */
  get messages(): ChatMessage[] {
    const messages: { role: Author; content: (string | Image)[] }[] = []
    for (const { author, content } of this.#parts) {
      if (messages.at(-1)?.role !== author) messages.push({ role: author, content: [] })
      const message = messages.at(-1)!.content
      const isNextText = author === 'user' && typeof message.at(-1) === 'string'
      if (typeof content !== 'string') message.push(content.image)
      else message.push(isNextText ? `\n${content}` : content)
    }
    return messages
  }

  get #joined(): (string | ImageWithFile)[] {
    return this.#parts.map(({ author, content }, i) => {
      const before = this.#parts[i - 1]?.content
      const isRun = typeof before === 'string' && /\S$/.test(before)
      return author === 'user' && typeof content === 'string' && isRun && /^\S/.test(content)
        ? ` ${content}`
        : content
    })
  }

  /** Appends text of the model: consecutive calls make one text. */
  appendAnswer(text: string): void {
    if (text === '') return
    if (this.#isAnswering) this.#parts.at(-1)!.content += text
    else this.#parts.push({ author: 'assistant', content: text })
    this.#isAnswering = true
  }

  /** Appends text of the user. */
  appendText(text: string): void {
    this.#isAnswering = false
    if (text !== '') this.#parts.push({ author: 'user', content: text })
  }

  /** Appends an image, the user's or the model's. */
  appendImage(image: Image, file: string, author: Author = 'user'): void {
    this.#parts.push({ author, content: { image, file } })
    this.#isAnswering = false
  }

  /** A line of the JSON that `train` reads, for a file at `path`: images are paths relative to it. */
  toJson(path: string): string {
    const parts = this.#joined.map((part) =>
      typeof part === 'string' ? part : { image: relative(dirname(resolve(path)), resolve(part.file)) },
    )
    return JSON.stringify({ parts })
  }

  /** Writes `toJson` into a new file. Rejects with an Error where the document is empty or the file exists. */
  async save(path: string): Promise<void> {
    if (this.isEmpty) throw new Error('the document is empty')
    try {
      await writeFile(path, `${this.toJson(path)}\n`, { flag: 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      throw new Error(`${path} exists already, and stays as it is`, { cause: error })
    }
  }
}
