import { describe } from '../describe.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import { codeTokensOf, imagesAsTokens } from '../sequence/code_tokens.js'
import { encodedImagePart, type EncodedPart } from '../sequence/image_parts.js'
import { documentSpans, type Part, type SpecialTokens, type TextPart } from '../sequence/document.js'
import { advance, sequenceStart } from '../sequence/metadata.js'
import { type ChatMessage, chatPieces, isChat, type PromptPiece } from './chat.js'
import type { GenerativeConfig, GenerativeModel } from './model.js'

/** A text, or texts and images in any order; an image may be the values that the model's codec would make of it. */
export type DocumentPrompt = string | readonly PromptPiece[]

/** The beginning of a document, or the messages of a conversation, which the model's chat template makes one. */
export type Prompt = DocumentPrompt | readonly ChatMessage[]

/** What of a model turns a prompt into parts of a sequence. */
export type PromptModel = Pick<GenerativeModel, 'network' | 'tokenizer' | 'codec' | 'chatTemplate'>

/** A prompt as the engine takes it. */
export interface PreparedPrompt {
  /** As it stands in a sequence, special tokens included. */
  readonly prompt: readonly Part<EncodedPart>[]
  /** A token that ends the answer beside the one that ends a document. */
  readonly endOfTurn: number | undefined
}

/**
 * A prompt as parts of a document: texts tokenized, images encoded by the model's codec. Rejects with a RangeError that names
 * what is wrong when an image has other channels than the model, is not cut evenly into patches or lacks pixels, or a text
 * has an id that is no token of the model; with a TypeError when a piece is neither text nor an image; and with an Error for
 * pixels where the model has no codec.
 */
export async function promptParts(prompt: DocumentPrompt, model: PromptModel): Promise<Part<EncodedPart>[]> {
  const pieces = typeof prompt === 'string' ? [prompt] : prompt
  if (!Array.isArray(pieces))
    throw new TypeError(`prompt must be text, or a list of texts and images, received ${describe(prompt)}`)
  return Promise.all(
    (pieces as readonly PromptPiece[]).map(async (piece, i) => {
      if (typeof piece === 'string')
        return checkedIds(await textPart(piece, model.tokenizer), model.network.config.vocabulary)
      if (
        typeof piece !== 'object' ||
        piece === null ||
        !('data' in piece || ('width' in piece && 'values' in piece))
      )
        throw new TypeError(
          `prompt[${i}] must be text or an image { width, height, channels, data }, as readImage makes of files, ` +
            `received ${describe(piece)}`,
        )
      return encodedImagePart(piece, model, `prompt[${i}]`)
    }),
  )
}

/** Throws a TypeError for what is not a list of prompts. */
export function checkPrompts(prompts: readonly Prompt[]): void {
  if (!Array.isArray(prompts))
    throw new TypeError(`prompts must be a list of prompts, received ${describe(prompts)}`)
}

/**
 * A document begins with BOS; what begins a conversation its template says. Rejects as `promptParts`, for BOI or EOI in a text,
 * with an Error for messages to a model without a template, and for those that the template refuses.
 */
export async function preparePrompt(prompt: Prompt, model: PromptModel): Promise<PreparedPrompt> {
  const { config } = model.network
  if (!isChat(prompt))
    return { prompt: spansOf(await promptParts(prompt, model), config), endOfTurn: undefined }
  const { chatTemplate } = model
  if (!chatTemplate)
    throw new Error(
      'prompt must be text or images: the model has no chat template to make a document of messages',
    )
  const parts = await promptParts(chatPieces(prompt, chatTemplate), model)
  return {
    prompt: spansOf(parts, config, { ...config.tokens, bos: undefined }),
    endOfTurn: await chatTemplate.endOfTurn(),
  }
}

const spansOf = (
  parts: readonly Part<EncodedPart>[],
  config: GenerativeConfig,
  tokens: SpecialTokens = config.tokens,
): Part<EncodedPart>[] =>
  imagesAsTokens(documentSpans({ parts, end: false }, tokens), codeTokensOf(config)).filter(
    (part) => part.type === 'image' || part.ids.length > 0,
  )

/**
 * The first parts of at most `budget` positions, at least one, and the rest. A text may be cut anywhere; an image is
 * read in one step, since its patches see each other.
 */
export function firstParts(
  parts: readonly Part<EncodedPart>[],
  budget: number,
  patch: number,
): [first: Part<EncodedPart>[], rest: Part<EncodedPart>[]] {
  const first: Part<EncodedPart>[] = []
  let left = Math.max(1, budget)
  for (const [i, part] of parts.entries()) {
    const { length } = advance(sequenceStart, [part], patch)
    if (length > left && part.type === 'text' && left > 0) {
      first.push({ type: 'text', ids: part.ids.slice(0, left) })
      return [first, [{ type: 'text', ids: part.ids.slice(left) }, ...parts.slice(i + 1)]]
    }
    if (length > left && first.length > 0) return [first, parts.slice(i)]
    first.push(part)
    left -= length
  }
  return [first, []]
}

/** Throws a RangeError for ids that the model lacks: on the device they would fail the call for all generations in it. */
function checkedIds(part: TextPart, vocabulary: number): TextPart {
  for (const id of part.ids)
    if (!(id >= 0 && id < vocabulary))
      throw new RangeError(
        `prompt: ids of the tokenizer must be below ${vocabulary}, the model's vocabulary, received ${id}`,
      )
  return part
}

export const textPart = async (text: string, tokenizer: Tokenizer): Promise<TextPart> => ({
  type: 'text',
  ids: [...(await tokenizer.encode(text))],
})
