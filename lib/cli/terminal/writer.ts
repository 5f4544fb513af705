import type { Image } from '../../image/image.js'
import type { SavedEvent } from '../../generation/saved_events.js'
import {
  drawPicture,
  type ImageProtocol,
  overPicture,
  type TerminalPicture,
  type TerminalStream,
  terminalSize,
} from './image.js'

export interface TerminalWriterOptions {
  /** Takes what the model writes, and pictures. */
  out: TerminalStream & Pick<NodeJS.WriteStream, 'write'>
  /** Takes what is said about it: the names of files. */
  notes: { write(text: string): unknown }
  protocol: ImageProtocol
}

/** Writes answers as they come: text at once, pictures in the text where the terminal can show them. */
export class TerminalWriter {
  readonly #options: TerminalWriterOptions
  #atLineStart = true
  /** The preview on the screen, which the next one replaces. */
  #shown: TerminalPicture | undefined

  constructor(options: TerminalWriterOptions) {
    this.#options = options
  }

  async write(event: SavedEvent): Promise<void> {
    switch (event.type) {
      case 'text':
        return this.text(event.text)
      case 'image-start':
        this.#shown = undefined
        return
      case 'preview':
        if (event.file !== undefined) this.note(event.file)
        return this.#show(event.image, true)
      case 'image':
        await this.#show(event.image, false)
        return this.note(event.file)
      case 'done':
        return this.endLine()
    }
  }

  text(text: string): void {
    if (text === '') return
    const { out } = this.#options
    // What a model makes up must not steer a terminal; a file gets it as it is.
    out.write(out.isTTY ? text.replaceAll(/[^\P{Cc}\n\t]/gu, '\ufffd') : text)
    this.#atLineStart = text.endsWith('\n')
  }

  /** Says something about the answer, in a line of its own. */
  note(line: string): void {
    this.endLine()
    // What is above it stays.
    this.#shown = undefined
    this.#options.notes.write(`${line}\n`)
  }

  endLine(): void {
    if (!this.#atLineStart) this.#options.out.write('\n')
    this.#atLineStart = true
  }

  /** Shows a picture that was not generated here. */
  show(image: Image): Promise<void> {
    return this.#show(image, false)
  }

  async #show(image: Image, replaced: boolean): Promise<void> {
    const { out, protocol } = this.#options
    this.endLine()
    if (protocol === 'none') return
    const picture = await drawPicture(image, protocol, terminalSize(out))
    out.write((this.#shown ? overPicture(this.#shown) : '') + picture.text)
    this.#shown = replaced ? picture : undefined
  }
}
