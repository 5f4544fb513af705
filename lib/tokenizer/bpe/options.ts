import { z } from 'zod'
import { byteSymbols } from './byte_symbols.js'

/** Begin and end of document as Llama 2's tokenizer, the paper's, calls them, begin and end of image. */
const defaultSpecialTokens = ['<s>', '</s>', '<|boi|>', '<|eoi|>']

const bpeShape = z.strictObject({
  /** Tokens in all: the special ones, the 256 bytes and what is merged of them. */
  vocabulary: z.int().positive().default(16384),
  /** A pair of tokens that occurs less often does not become a token. */
  minimumFrequency: z.int().positive().default(2),
  /** What framing documents and images takes, and more; the first ids are theirs. */
  specialTokens: z
    .array(z.string().min(1))
    .refine((tokens) => new Set(tokens).size === tokens.length, { error: 'expected different tokens' })
    .default(defaultSpecialTokens),
})

type BpeShape = z.output<typeof bpeShape>

/** Two tokens with the same text are one, so that special tokens of one character may be bytes. */
const smallest = ({ specialTokens }: Pick<BpeShape, 'specialTokens'>) =>
  new Set([...specialTokens, ...byteSymbols]).size

function refined<Schema extends z.ZodType<BpeShape>>(schema: Schema): Schema {
  return schema.refine((options) => options.vocabulary >= smallest(options), {
    error: ({ input }) =>
      `expected at least ${smallest(input as BpeShape)}, the special tokens and the 256 bytes`,
    path: ['vocabulary'],
  })
}

/** How a byte-level BPE tokenizer is trained. */
export const bpeOptionsSchema = refined(bpeShape)

/** The same as a choice among tokenizers in a config. */
export const bpeTokenizerSchema = refined(bpeShape.extend({ type: z.literal('bpe') }))

/** As written by a user, defaults left out. @useDeclaredType */
export type BpeSettings = z.input<typeof bpeOptionsSchema>
