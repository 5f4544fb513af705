/** Conversations as prompts: messages become the text and images that a model's chat template makes of them. */
import { describe } from '../describe.js'
import type { EncodedImage, Image } from '../image/image.js'
import type { ChatTemplate } from '../tokenizer/chat_template.js'

/** A piece of a prompt. */
export type PromptPiece = string | Image | EncodedImage

/** A message of a conversation. */
export interface ChatMessage {
  /** Who wrote it: `system`, `user` or `assistant`; a model's template may know others. */
  readonly role: string
  /** A text, or texts and images in any order. */
  readonly content: string | readonly PromptPiece[]
}

/** Whether a prompt is messages rather than texts and images. */
export const isChat = (prompt: unknown): prompt is readonly ChatMessage[] =>
  Array.isArray(prompt) &&
  prompt.some((piece) => typeof piece === 'object' && piece !== null && 'role' in piece)

/** Stand for an image in what a template reads: characters of private use, which no text has for another reason. */
const [markBegin, markEnd] = ['\uE0F0', '\uE0F1']
const marked = new RegExp(`${markBegin}(\\d+)${markEnd}`)

/**
 * The pieces of a prompt that the template makes of messages, up to where the answer begins. Throws a TypeError for what is no
 * message, and an Error for what the template refuses, or for an image whose place it does not keep.
 */
export function chatPieces(messages: readonly ChatMessage[], template: ChatTemplate): PromptPiece[] {
  const images: PromptPiece[] = []
  const texts = messages.map((message, i) => {
    checkMessage(message, i)
    const { role, content } = message
    const pieces = typeof content === 'string' ? [content] : content
    const text = pieces.map((piece) =>
      typeof piece === 'string' ? withoutMarks(piece) : `${markBegin}${images.push(piece) - 1}${markEnd}`,
    )
    return { role, content: text.join('') }
  })
  // Of the parts of a split by a pattern with a group, every other is what the group matched.
  const parts = template.render(texts).split(marked)
  const pieces = parts
    .map((part, i) => (i % 2 === 1 ? images[Number(part)]! : part))
    .filter((part) => part !== '')
  const kept = pieces.filter((piece) => typeof piece !== 'string').length
  if (kept !== images.length)
    throw new Error(`chat template: writes ${kept} of the ${images.length} images of the messages`)
  return pieces
}

const withoutMarks = (text: string) => text.replaceAll(markBegin, '').replaceAll(markEnd, '')

function checkMessage(message: unknown, i: number): asserts message is ChatMessage {
  const { role, content } = Object(message) as Partial<ChatMessage>
  if (typeof role === 'string' && (typeof content === 'string' || Array.isArray(content))) return
  throw new TypeError(
    `prompt[${i}] must be a message { role, content }, as others of the prompt are; content a text, or texts and images, ` +
      `received ${describe(message)}`,
  )
}
