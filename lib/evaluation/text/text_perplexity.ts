import { checkArguments, checkOptions, wrongArgument } from '../../arguments.js'
import type { RawDocument, TokenizedDocument } from '../../data/document.js'
import type { UnreadableDocument } from '../../data/sources/document_source.js'
import { inlinePreprocessor, type Preprocessor } from '../../data/stream/preprocessor.js'
import type { GenerativeModel } from '../../generation/model.js'
import { imagePreprocessingOf } from '../../sequence/image_model.js'
import { encodedImagePart, type EncodedPart } from '../../sequence/image_parts.js'
import type { DocumentParts } from '../../sequence/document.js'
import { documentLikelihoods, type LikelihoodOptions } from './likelihood.js'

/** How much text the model sees at a time. */
export interface TextPerplexityOptions extends LikelihoodOptions {
  /** Most tokens of text that the model sees at a time. */
  window?: number
  /** Tokens from one window of a document to the next: each of them is predicted from `window - stride` or more. */
  stride?: number
  /** Called for a document that cannot be read, which is then left out; may throw. Without it, its error is thrown. */
  onUnreadable?: (document: UnreadableDocument) => void
}

/** A text, or a document as sources give it. */
export type TextDocument = string | RawDocument | UnreadableDocument

/** How well a model predicts text. */
export interface TextPerplexity {
  /** exp(mean negative log-likelihood) per token: comparable between models of one tokenizer. */
  readonly perplexity: number
  /** Bits per byte of UTF-8: comparable between any two models. */
  readonly bitsPerByte: number
  /** Documents that were read. */
  readonly documents: number
  /** Tokens that were predicted. */
  readonly tokens: number
  /** Their bytes of UTF-8. */
  readonly bytes: number
}

const rethrow = ({ error }: UnreadableDocument): never => {
  throw error
}

/**
 * How well a model predicts text. A document that is longer than a window is read in windows that overlap, each of which
 * begins with BOS as a document does, and each token is counted once: in the first window that holds it. Documents with
 * images are read in one piece. The end of a document is not counted, nor is its first token where the tokenizer has no BOS.
 * `documents`: texts, or documents as sources give them; `ownPreprocessor` decodes the images of the latter, by default as
 * the model's. Rejects where a document cannot be read, and with a RangeError for a stride that is not in 1 .. window.
 */
export async function textPerplexity(
  model: GenerativeModel,
  documents: string | Iterable<TextDocument> | AsyncIterable<TextDocument>,
  ownPreprocessor: Preprocessor | undefined = undefined,
  settings: TextPerplexityOptions = {},
): Promise<TextPerplexity> {
  const given = typeof documents === 'string' ? [documents] : documents
  checkArguments('textPerplexity', {
    model: [model, 'model'],
    documents: [given, 'iterable'],
    preprocessor: [ownPreprocessor, 'options'],
  })
  checkOptions('textPerplexity', settings, {
    window: true,
    stride: true,
    onUnreadable: true,
    positions: true,
    signal: true,
  })
  const { window = 1024, stride = Math.ceil(window / 2), onUnreadable = rethrow, ...options } = settings
  const { network } = model
  const preprocessor = ownPreprocessor ?? inlinePreprocessor(model.tokenizer, modelImages(model))
  if (!(Number.isInteger(window) && Number.isInteger(stride) && stride >= 1 && stride <= window))
    throw new RangeError(`textPerplexity: stride must be 1 .. window, received ${stride} of ${window}`)
  let nll = 0
  const counts = { documents: 0, tokens: 0, bytes: 0 }
  async function* pieces() {
    for await (const one of given) {
      const document = documentOf(one, `documents[${counts.documents}]`)
      if ('error' in document) {
        onUnreadable(document)
        continue
      }
      const prepared = await preprocessor.preprocess(document)
      if ('error' in prepared) {
        onUnreadable(prepared)
        continue
      }
      counts.documents++
      for (const part of document.parts)
        if (part.type === 'text') counts.bytes += Buffer.byteLength(part.text)
      yield* piecesOf(prepared, model, window, stride)
    }
  }
  for await (const likelihood of documentLikelihoods(network, pieces(), options)) {
    nll += likelihood.nll
    counts.tokens += likelihood.tokens
  }
  if (counts.tokens === 0)
    throw new RangeError('textPerplexity: documents must have a token to predict, received none')
  return {
    perplexity: Math.exp(nll / counts.tokens),
    bitsPerByte: nll / Math.LN2 / counts.bytes,
    ...counts,
  }
}

const modelImages = (model: GenerativeModel) => imagePreprocessingOf(model, model.imagePreprocessing)

function documentOf(given: TextDocument, name: string): RawDocument | UnreadableDocument {
  if (typeof given === 'string') return { name, parts: [{ type: 'text', text: given }] }
  if (typeof given === 'object' && given !== null && ('error' in given || Array.isArray(given.parts)))
    return given
  throw wrongArgument('textPerplexity', name, 'a text, or a document as sources give them', given)
}

async function* piecesOf(
  { name, parts }: TokenizedDocument,
  model: GenerativeModel,
  window: number,
  stride: number,
): AsyncGenerator<DocumentParts<EncodedPart>> {
  if (!parts.some(({ type }) => type === 'image'))
    yield* textWindows(
      parts.flatMap((part) => (part.type === 'text' ? [...part.ids] : [])),
      window,
      stride,
    )
  else
    yield {
      parts: await Promise.all(
        parts.map(async (part) =>
          part.type === 'image'
            ? encodedImagePart('image' in part ? part.image : part, model, name)
            : { type: 'text' as const, ids: [...part.ids] },
        ),
      ),
      end: false,
    }
}

/** A text in windows; tokens that an earlier window counts have weight 0 in a later one, as context. */
export function* textWindows(
  ids: readonly number[],
  window: number,
  stride: number,
): Generator<DocumentParts<EncodedPart>> {
  for (let first = 0, counted = 0; counted < ids.length; first += stride) {
    const end = Math.min(first + window, ids.length)
    yield {
      parts: [
        { type: 'text', ids: ids.slice(first, counted), weight: 0 },
        { type: 'text', ids: ids.slice(counted, end) },
      ],
      end: false,
    }
    counted = end
  }
}
