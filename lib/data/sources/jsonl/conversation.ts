import { formatValue } from '../../../describe.js'
import { referenceOf } from './image_keys.js'

/** A text, which may hold `<image>` in place of an image, or an image; without a value, the next one of the document's. */
export type Piece = string | { readonly image: unknown }

const keys = ['messages', 'conversations']

/** Of an image among a turn's content. */
const imageKeys = ['image', 'image_url', 'url', 'path']

/**
 * The turns of a conversation in order, one below the other: `{"conversations": [{"from": "human", "value": "..."}]}` as
 * LLaVA's, or `{"messages": [{"role": "user", "content": "..."}]}`, whose content may be a list of texts and images. Who
 * speaks is not told. Undefined where the object holds none.
 * @throws Error that begins with `name`
 */
export function conversationOf(object: Readonly<Record<string, unknown>>, name: string): Piece[] | undefined {
  const key = keys.find((each) => Array.isArray(object[each]))
  if (key === undefined) return undefined
  return (object[key] as unknown[]).flatMap((turn, i) => {
    const { content, value = content } = (turn ?? {}) as Record<string, unknown>
    const place = `${name}: ${key}[${i}]`
    // A turn that only calls a tool.
    if (value === null) return []
    if (typeof value === 'string') return [...(i > 0 ? ['\n'] : []), value]
    if (!Array.isArray(value))
      throw new Error(
        `${place}: expected a turn, {"from": "human", "value": "..."} or {"role": "user", "content": "..."}; ` +
          `received ${formatValue(turn)}`,
      )
    return [...(i > 0 ? ['\n'] : []), ...value.map((piece, j) => pieceOf(piece, `${place}.content[${j}]`))]
  })
}

function pieceOf(piece: unknown, place: string): Piece {
  if (typeof piece === 'string') return piece
  const { type, ...content } = (piece ?? {}) as Record<string, unknown>
  const given = Object.entries(content).filter(([, value]) => value !== null)
  const [key, value] = given[0] ?? []
  // Those of a type that is missing, as Qwen's are, are told by their key.
  if ((type ?? key) === 'text' && typeof content.text === 'string') return content.text
  const isImage = type === 'image' || type === 'image_url' || (type === undefined && key === 'image')
  if (isImage && given.length === 0) return { image: undefined }
  const image = imageKeys.map((each) => content[each]).find((each) => referenceOf(each) !== undefined)
  if (isImage && image !== undefined) return { image }
  if (type === 'image' && key === 'base64' && typeof value === 'string') return { image: { bytes: value } }
  throw new Error(
    `${place}: expected {"type": "text", "text": "..."} or {"type": "image", "image": "a.png"}; received ${formatValue(piece)}`,
  )
}
