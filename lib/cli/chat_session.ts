import { writeFile } from 'node:fs/promises'
import type { GenerationOptions } from '../generation/options.js'
import type { Transfusion } from '../transfusion.js'
import { suggestion } from '../nearest.js'
import { ChatDocument } from '../generation/conversation/document.js'
import type { PictureFolder } from '../image/picture_folder.js'
import { savePictures } from '../generation/saved_events.js'
import type { TerminalWriter } from './terminal/writer.js'
import { unknownWordsOf } from '../generation/unknown_words.js'

export interface ChatSurroundings {
  writer: TerminalWriter
  pictures: PictureFolder
  /** Whether previews are written as files, where the terminal shows none. */
  previewFiles: boolean
}

const help = `Text is added to the document, and the model goes on with it; an empty line lets it go on as it is.
  /image FILE    add an image
  /draw [TEXT]   add the text, then have an image drawn
  /seed NUMBER   of the next answer; the one after it has the next
  /reset         begin another document
  /save FILE     write the document as a line of JSON, as "transfusion train" reads them
  /help          this
  /quit          leave
A text that begins with / is written with two.`

const commands = ['image', 'draw', 'seed', 'reset', 'save', 'help', 'quit']

/** What a line led to. */
export type Outcome = 'done' | 'failed' | 'quit'

/** A document that user and model write in turns, a line of the user's at a time. */
export class ChatSession {
  readonly #model: Transfusion
  readonly #options: GenerationOptions
  readonly #surroundings: ChatSurroundings
  #document = new ChatDocument()
  #seed: number
  /** Of the answer that is being given. */
  #answer: AbortController | undefined

  constructor(
    model: Transfusion,
    { seed, ...options }: GenerationOptions & { seed: number },
    surroundings: ChatSurroundings,
  ) {
    this.#model = model
    this.#options = options
    this.#surroundings = surroundings
    this.#seed = seed
  }

  /** Stops the answer that is being given; false: there is none. */
  stop(): boolean {
    this.#answer?.abort(new Error('stopped'))
    return this.#answer !== undefined
  }

  /** Does what a line says: a command, or text to go on from. */
  async take(line: string): Promise<Outcome> {
    try {
      const [, command, argument = ''] = /^\/(?!\/)(\S*)\s*(.*)$/.exec(line.trim()) ?? []
      if (command !== undefined) return await this.#command(command, argument)
      await this.#appendLine(line.replace(/^\/\//, '/'))
      await this.#goOn({})
      return 'done'
    } catch (error) {
      this.#surroundings.writer.note(`transfusion: ${(error as Error).message}`)
      return 'failed'
    }
  }

  async #command(command: string, argument: string): Promise<Outcome> {
    const { writer } = this.#surroundings
    switch (command) {
      case 'image': {
        const path = needed(fileName(argument), '/image FILE')
        const image = await this.#model.readImage(path)
        this.#document.appendImage(image, path)
        await writer.show(image)
        return 'done'
      }
      case 'draw':
        await this.#appendLine(argument)
        await this.#goOn({ startWith: 'image', maxTokens: 0, maxImages: 1 })
        return 'done'
      case 'seed':
        this.#seed = wholeNumber(argument)
        return 'done'
      case 'reset':
        this.#document = new ChatDocument()
        return 'done'
      case 'save':
        await this.#save(needed(fileName(argument), '/save FILE'))
        return 'done'
      case 'help':
        writer.note(help)
        return 'done'
      case 'quit':
        return 'quit'
      default:
        throw new Error(`/${command}: unknown command${suggestion(command, commands)}`)
    }
  }

  async #appendLine(line: string): Promise<void> {
    const unknown = await unknownWordsOf(this.#model.tokenizer, line)
    if (unknown !== undefined) this.#surroundings.writer.note(`(${unknown})`)
    this.#document.appendLine(line)
  }

  /** Has the model go on with the document; what it wrote until it was stopped stays. */
  async #goOn(options: GenerationOptions): Promise<void> {
    const { writer, pictures, previewFiles } = this.#surroundings
    this.#answer = new AbortController()
    const { signal } = this.#answer
    const events = this.#model.generate(this.#document.prompt, {
      ...this.#options,
      ...options,
      seed: this.#seed++,
      signal,
    })
    try {
      for await (const event of savePictures(events, pictures, previewFiles)) {
        if (event.type === 'text') this.#document.append(event.text)
        if (event.type === 'image') this.#document.appendImage(event.image, event.file)
        await writer.write(event)
        if (event.type === 'done' && event.reason === 'end')
          writer.note('(the document ends here for the model; /reset begins another)')
      }
    } catch (error) {
      if (!signal.aborted) throw error
      writer.note('(stopped)')
    } finally {
      this.#answer = undefined
    }
  }

  async #save(path: string): Promise<void> {
    if (this.#document.isEmpty) throw new Error('/save: the document is empty')
    try {
      await writeFile(path, `${this.#document.toJson(path)}\n`, { flag: 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      throw new Error(`/save: ${path} exists already, and stays as it is`, { cause: error })
    }
    this.#surroundings.writer.note(path)
  }
}

/** A file's name as it was typed, or dropped into the terminal: in quotes, or with its spaces escaped. */
function fileName(argument: string): string {
  const [, , quoted] = /^(["'])(.*)\1$/.exec(argument) ?? []
  return quoted ?? argument.replaceAll('\\ ', ' ')
}

function needed(argument: string, usage: string): string {
  if (argument === '') throw new Error(`expected ${usage}`)
  return argument
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`/seed: expected a whole number, received ${JSON.stringify(text)}`)
  return Number(text)
}
