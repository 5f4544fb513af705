import { formatValue } from '../../describe.js'
import {
  type ImageFilePart,
  type ImagePart,
  isDecoded,
  type RawDocument,
  type RawPart,
  type TokenizedDocument,
  type TokenizedPart,
} from '../document.js'
import type { Image } from '../../image/image.js'
import { readImage } from '../../image/image_io.js'
import type { ImagePreprocessingOptions } from '../../image/image_preprocessing.js'
import type { UnreadableDocument } from '../sources/document_source.js'
import type { JsonTokenizer } from '../../tokenizer/tokenizer.js'

/** Tokenizes the texts of documents and decodes their image files. */
export interface Preprocessor {
  /** Rejects only where preprocessing itself fails, not where a document cannot be read. */
  preprocess(document: RawDocument): Promise<TokenizedDocument | UnreadableDocument>
  /** Ends the threads that it has. */
  close(): Promise<void>
}

/** Tokenizes and decodes on this thread; image files are decoded by sharp's own threads. */
export function inlinePreprocessor(
  tokenizer: JsonTokenizer | undefined,
  image: ImagePreprocessingOptions | undefined,
): Preprocessor {
  const preprocessor = new PartPreprocessor(tokenizer, image)
  return {
    async preprocess({ name, parts }) {
      try {
        return { name, parts: await preprocessor.preprocess(name, parts) }
      } catch (error) {
        return { name, error: error as Error }
      }
    },
    async close() {},
  }
}

/** Tokenizes texts, or without a tokenizer leaves them out, and decodes images. */
export class PartPreprocessor {
  readonly #tokenizer: JsonTokenizer | undefined
  readonly #image: ImagePreprocessingOptions | undefined

  constructor(tokenizer: JsonTokenizer | undefined, image: ImagePreprocessingOptions | undefined) {
    this.#tokenizer = tokenizer
    this.#image = image
  }

  /** Rejects with an Error that names the document or the image's file. */
  async preprocess(name: string, parts: readonly RawPart[]): Promise<TokenizedPart[]> {
    const tokenized: TokenizedPart[] = []
    for (const part of parts) {
      if (part.type === 'text') {
        const tokenizer = this.#tokenizer
        if (tokenizer) tokenized.push({ type: 'text', ids: await encode(tokenizer, name, part.text) })
      } else if (isDecoded(part)) tokenized.push(part)
      else tokenized.push({ type: 'image', image: await this.#decode(name, part) })
    }
    return tokenized
  }

  async #decode(name: string, part: ImageFilePart) {
    const image = this.#image
    if (image === undefined)
      throw new Error(
        `${name}: an image file, which the model cannot read: it has no image codec, so its images are given as values, ` +
          '{ height, width, values: Float32Array }',
      )
    return decodePart(name, part, image)
  }
}

async function encode(tokenizer: JsonTokenizer, name: string, text: string): Promise<Int32Array> {
  const ids = await explained(name, tokenizer.encode(text))
  if (ids.length === 0) throw new Error(`${name}: a text of it has no tokens: ${formatValue(text)}`)
  return ids
}

/** Decodes an image of document `name`, or brings its pixels to the size. Rejects with an Error that names the file, or `name`. */
export async function decodePart(
  name: string,
  part: ImageFilePart | ImagePart,
  preprocessing: ImagePreprocessingOptions,
): Promise<Image> {
  if ('path' in part) return readImage(part.path, preprocessing)
  return explained(name, readImage('image' in part ? part.image : part.bytes, preprocessing))
}

async function explained<R>(name: string, result: Promise<R>): Promise<R> {
  try {
    return await result
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error })
  }
}
