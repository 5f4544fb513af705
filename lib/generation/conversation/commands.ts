import { suggestion } from '../../nearest.js'

/** What a line of a conversation asks for. */
export type ConversationCommand =
  /** Append text, then have the model continue. */
  | { readonly type: 'text'; readonly text: string }
  /** Append text, then have the model generate an image. */
  | { readonly type: 'draw'; readonly text: string }
  | { readonly type: 'image' | 'save'; readonly file: string }
  | { readonly type: 'seed'; readonly seed: number }
  | { readonly type: 'reset' | 'help' | 'quit' }

export const conversationHelp = `Text is added to the document, and the model goes on with it; an empty line lets it go on as it is.
  /image FILE    add an image
  /draw [TEXT]   add the text, then have an image generated
  /seed NUMBER   of the next answer; the one after it has the next
  /reset         begin another document
  /save FILE     write the document as a line of JSON, as "transfusion train" reads them
  /help          this
  /quit          leave
A text that begins with / is written with two.`

const names = ['image', 'draw', 'seed', 'reset', 'save', 'help', 'quit'] as const

/** Parses a line that a user wrote: a command that begins with a slash, or text. Throws an Error that says what is expected. */
export function parseCommand(line: string): ConversationCommand {
  const [, name, argument = ''] = /^\/(?!\/)(\S*)\s*(.*)$/.exec(line.trim()) ?? []
  if (name === undefined) return { type: 'text', text: line.replace(/^\/\//, '/') }
  const type = names.find((known) => known === name)
  switch (type) {
    case 'image':
    case 'save':
      return { type, file: needed(fileName(argument), `/${type} FILE`) }
    case 'draw':
      return { type, text: argument }
    case 'seed':
      return { type, seed: wholeNumber(argument) }
    case 'reset':
    case 'help':
    case 'quit':
      return { type }
    case undefined:
      throw new Error(`/${name}: unknown command${suggestion(name, names)}`)
  }
}

/** A file's name as it was typed, or dropped into a terminal: in quotes, or with its spaces escaped. */
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
