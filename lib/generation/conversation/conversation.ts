import type { Image } from '../../image/image.js'
import type { PictureFolder } from '../../image/picture_folder.js'
import type { ChatMessage } from '../chat.js'
import { generate } from '../generate.js'
import type { GenerativeModel } from '../model.js'
import type { GenerationOptions } from '../options.js'
import type { Prompt } from '../prompt.js'
import { type SavedEvent, savePictures } from '../saved_events.js'
import { unknownWordsOf } from '../unknown_words.js'
import { ConversationDocument } from './document.js'

/** What an answer is thrown by after `Conversation.stop`. */
export class AnswerStopped extends Error {
  constructor() {
    super('stopped')
  }
}

/** Where the images of a conversation go. */
export interface ConversationImages {
  readonly folder: PictureFolder
  /** Whether previews are written too. */
  readonly previews: boolean
}

/** How a model that has a chat template is talked to. */
export interface ConversationFormat {
  /** Whether the model reads messages, by its chat template; by default where it has one. */
  readonly messages?: boolean | undefined
  /** What the messages begin with: how the model is to answer. */
  readonly system?: string | undefined
}

/**
 * A conversation: user and model append to one document in turns, and each answer, with the next seed, continues it all: as
 * messages where the model has a chat template, else as the one document that it is. What of an answer came before it failed
 * or was stopped stays in it.
 */
export class Conversation {
  /** The seed of the next answer. */
  seed: number
  readonly #model: GenerativeModel
  readonly #options: Omit<GenerationOptions, 'seed' | 'signal'>
  readonly #images: ConversationImages
  readonly #system: ChatMessage[]
  /** Whether the model reads messages. */
  readonly asMessages: boolean
  #document = new ConversationDocument()
  /** Stops the answer that is being generated. */
  #answering: AbortController | undefined

  constructor(
    model: GenerativeModel,
    { seed = 0, ...options }: Omit<GenerationOptions, 'signal'>,
    images: ConversationImages,
    { messages = model.chatTemplate !== undefined, system }: ConversationFormat = {},
  ) {
    if (messages && !model.chatTemplate)
      throw new Error(
        'Conversation: messages must be false for a model without a chat template, received true',
      )
    if (system !== undefined && !messages)
      throw new Error('Conversation: a system message needs a model with a chat template, and messages')
    this.asMessages = messages
    this.#system = system === undefined ? [] : [{ role: 'system', content: system }]
    this.#model = model
    this.#options = options
    this.#images = images
    this.seed = seed
  }

  get document(): ConversationDocument {
    return this.#document
  }

  /** Appends text of the user; resolves with a warning that names the words that the tokenizer does not know, if any. */
  async appendText(text: string): Promise<string | undefined> {
    const warning = await unknownWordsOf(this.#model.tokenizer, text)
    this.#document.appendText(text)
    return warning
  }

  /** Appends an image of the user, read from `file`. */
  appendImage(image: Image, file: string): void {
    this.#document.appendImage(image, file)
  }

  /** Begins another document. */
  reset(): void {
    this.#document = new ConversationDocument()
  }

  /**
   * Has the model continue the document; `options` replace those of the conversation. Yields the events of the generation,
   * its images written into files. Throws what `generate` throws, and AnswerStopped after `stop`.
   */
  async *answer(
    options: Omit<GenerationOptions, 'seed' | 'signal'> = {},
  ): AsyncGenerator<SavedEvent, void, undefined> {
    const prompt = this.#prompt()
    const answering = new AbortController()
    this.#answering = answering
    const events = generate(this.#model, prompt, {
      ...this.#options,
      ...options,
      seed: this.seed++,
      signal: answering.signal,
    })
    const { folder, previews } = this.#images
    try {
      for await (const event of savePictures(events, folder, previews)) {
        if (event.type === 'text') this.#document.appendAnswer(event.text)
        if (event.type === 'image') this.#document.appendImage(event.image, event.file, 'assistant')
        yield event
      }
    } catch (error) {
      throw answering.signal.aborted ? answering.signal.reason : error
    } finally {
      this.#answering = undefined
    }
  }

  #prompt(): Prompt {
    if (!this.asMessages) return this.#document.prompt
    if (!this.#document.isAsking)
      throw new Error('a message of text or images is missing: a model with a chat template answers to one')
    return [...this.#system, ...this.#document.messages]
  }

  /** Stops the answer that is being generated; false where there is none. */
  stop(): boolean {
    this.#answering?.abort(new AnswerStopped())
    return this.#answering !== undefined
  }
}
