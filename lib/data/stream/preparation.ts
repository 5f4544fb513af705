import { formatValue } from '../../describe.js'
import {
  type ImageFilePart,
  isDecoded,
  type RawDocument,
  type RawPart,
  type TokenizedDocument,
  type TokenizedPart,
} from '../document.js'
import { readImage } from '../../image/image_io.js'
import type { ImagePreparationOptions } from '../../image/image_preparation.js'
import type { UnreadableDocument } from '../sources/document_source.js'
import type { JsonTokenizer } from '../../tokenizer/tokenizer.js'

/** Makes documents what training takes. */
export interface Preparation {
  /** Rejects only where preparing itself breaks down, not where a document cannot be read. */
  prepare(document: RawDocument): Promise<TokenizedDocument | UnreadableDocument>
  /** Ends the threads that it has. */
  close(): Promise<void>
}

/** Tokenizes and decodes on this thread; image files are decoded by sharp's own threads. */
export function inlinePreparation(
  tokenizer: JsonTokenizer,
  image: ImagePreparationOptions | undefined,
): Preparation {
  const preparer = new PartPreparer(tokenizer, image)
  return {
    async prepare({ name, parts }) {
      try {
        return { name, parts: await preparer.prepare(name, parts) }
      } catch (error) {
        return { name, error: error as Error }
      }
    },
    async close() {},
  }
}

/** Tokenizes texts and decodes images. */
export class PartPreparer {
  readonly #tokenizer: JsonTokenizer
  readonly #image: ImagePreparationOptions | undefined

  constructor(tokenizer: JsonTokenizer, image: ImagePreparationOptions | undefined) {
    this.#tokenizer = tokenizer
    this.#image = image
  }

  /** Rejects with an Error that names the document or the image's file. */
  async prepare(name: string, parts: readonly RawPart[]): Promise<TokenizedPart[]> {
    const prepared: TokenizedPart[] = []
    for (const part of parts) {
      if (part.type === 'text') prepared.push({ type: 'text', ids: await this.#encode(name, part.text) })
      else if (isDecoded(part)) prepared.push(part)
      else prepared.push({ type: 'image', image: await this.#decode(name, part) })
    }
    return prepared
  }

  async #encode(name: string, text: string): Promise<Int32Array> {
    const ids = await explained(name, this.#tokenizer.encode(text))
    if (ids.length === 0) throw new Error(`${name}: a text of it has no tokens: ${formatValue(text)}`)
    return ids
  }

  async #decode(name: string, part: ImageFilePart) {
    const image = this.#image
    if (image === undefined)
      throw new Error(
        `${name}: an image file, which the model cannot read: it has no image codec, so its images are given as values, ` +
          '{ height, width, values: Float32Array }',
      )
    if ('path' in part) return readImage(part.path, image)
    return explained(name, readImage(part.bytes, image))
  }
}

async function explained<R>(name: string, result: Promise<R>): Promise<R> {
  try {
    return await result
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error })
  }
}
