import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import type { ImagePart, RawPart, TokenizedDocument } from '../../../lib/data/document.js'
import type { DocumentStream, StreamState } from '../../../lib/data/document_stream.js'
import type { DocumentSource } from '../../../lib/data/sources/document_source.js'
import { indexedSource } from '../../../lib/data/sources/indexed_source.js'

export const words = ['red', 'green', 'blue', 'bag', 'coat', 'a', 'and']
export const tokenizer = makeCaptionTokenizer(words)
export const size = { width: 2, height: 2, channels: 1 } as const

export const text = (...content: string[]): RawPart => ({ type: 'text', text: content.join(' ') })

/** A 2 x 2 image of one grey. */
export const grey = (value: number): RawPart => ({
  type: 'image',
  image: { ...size, data: new Uint8Array(4).fill(value) },
})

/** Documents by number; an Error stands for one that cannot be read. */
export function sourceOf(
  documents: readonly (readonly RawPart[] | Error)[],
  name = 'document',
): DocumentSource {
  return indexedSource({
    length: documents.length,
    open: () => ({
      name: (index) => `${name} ${index}`,
      parts(index) {
        const document = documents[index]!
        if (document instanceof Error) throw document
        return document
      },
    }),
  })
}

/** Two for the frame, one for each token, six for an image (four patches, BOI, EOI). */
export function positionsOf({ parts }: Pick<TokenizedDocument, 'parts'>): number {
  return parts.reduce((sum, part) => sum + (part.type === 'text' ? part.ids.length : 6), 2)
}

/** A document in a form that tests compare. */
export function shown({ name, parts }: TokenizedDocument): string {
  const content = parts.map((part) =>
    part.type === 'text' ? tokenizer.decode(part.ids) : `<${[...(part as ImagePart).image.data]}>`,
  )
  return `${name}: ${content.join(' | ')}`
}

export interface Taken {
  readonly document: string
  readonly state: StreamState
}

/** Takes `count` documents; states go through JSON, as through a checkpoint. */
export async function take(stream: DocumentStream, count: number): Promise<Taken[]> {
  const taken: Taken[] = []
  for (let i = 0; i < count; i++) {
    const { document, state } = await stream.next()
    taken.push({ document: shown(document), state: JSON.parse(JSON.stringify(state)) as StreamState })
  }
  return taken
}

export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of values) all.push(value)
  return all
}
