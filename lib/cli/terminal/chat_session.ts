import { conversationHelp, parseCommand } from '../../generation/conversation/commands.js'
import { AnswerStopped, type Conversation } from '../../generation/conversation/conversation.js'
import type { GenerationOptions } from '../../generation/options.js'
import type { Transfusion } from '../../transfusion.js'
import type { TerminalWriter } from './writer.js'

/** What a line led to. */
export type Outcome = 'done' | 'failed' | 'quit'

/** A conversation in a terminal, or in lines of a file. */
export class ChatSession {
  readonly #model: Transfusion
  readonly #conversation: Conversation
  readonly #writer: TerminalWriter

  constructor(model: Transfusion, conversation: Conversation, writer: TerminalWriter) {
    this.#model = model
    this.#conversation = conversation
    this.#writer = writer
  }

  /** Does what a line asks for, and writes the answer, or what is wrong with the line. */
  async run(line: string): Promise<Outcome> {
    try {
      return await this.#run(line)
    } catch (error) {
      this.#writer.note(`transfusion: ${(error as Error).message}`)
      return 'failed'
    }
  }

  async #run(line: string): Promise<Outcome> {
    const command = parseCommand(line)
    switch (command.type) {
      case 'text':
        await this.#appendText(command.text)
        await this.#answer({})
        break
      case 'draw':
        await this.#appendText(command.text)
        await this.#answer({ startWith: 'image', maxTokens: 0, maxImages: 1 })
        break
      case 'image': {
        const image = await this.#model.readImage(command.file)
        this.#conversation.appendImage(image, command.file)
        await this.#writer.show(image)
        break
      }
      case 'seed':
        this.#conversation.seed = command.seed
        break
      case 'reset':
        this.#conversation.reset()
        break
      case 'save':
        await this.#save(command.file)
        break
      case 'help':
        this.#writer.note(conversationHelp)
        break
      case 'quit':
        return 'quit'
    }
    return 'done'
  }

  async #appendText(text: string): Promise<void> {
    const warning = await this.#conversation.appendText(text)
    if (warning !== undefined) this.#writer.note(`(${warning})`)
  }

  async #answer(options: GenerationOptions): Promise<void> {
    try {
      for await (const event of this.#conversation.answer(options)) {
        await this.#writer.write(event)
        if (event.type === 'done' && event.reason === 'end' && !this.#conversation.asMessages)
          this.#writer.note('(the document ends here for the model; /reset begins another)')
      }
    } catch (error) {
      if (!(error instanceof AnswerStopped)) throw error
      this.#writer.note('(stopped)')
    }
  }

  async #save(file: string): Promise<void> {
    try {
      await this.#conversation.document.save(file)
    } catch (error) {
      throw new Error(`/save: ${(error as Error).message}`, { cause: error })
    }
    this.#writer.note(file)
  }
}
