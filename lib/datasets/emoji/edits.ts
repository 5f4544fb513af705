import type { RandomDraws } from '../../random.js'
import type { Image } from '../../image/image.js'
import type { EmojiPicture } from './emoji.js'
import { type EmojiStyle, otherStyle } from './emoji_names.js'

/** What an edit does to a picture. */
export const emojiEditKinds = ['grey', 'rotate', 'mirror', 'invert', 'style'] as const
/** What an edit does to a picture. */
export type EmojiEditKind = (typeof emojiEditKinds)[number]

/** A picture, the words that ask for an edit of it, and the edited picture. */
export interface EmojiEdit {
  /** What it does. */
  readonly kind: EmojiEditKind
  /** "make it grey" */
  readonly instruction: string
  /** Before. */
  readonly source: Image
  /** After: the one right answer. */
  readonly target: Image
}

/** Pictures to edit, and those that hold what they are in the other style. */
export interface EditedPictures {
  /** Those that are edited. */
  readonly sources: readonly EmojiPicture[]
  /** By style and name; where the other style is not among them, it is not asked for. */
  readonly twins: ReadonlyMap<string, EmojiPicture>
}

const keyOf = (style: EmojiStyle, name: string): string => `${style} ${name}`

/** `sources` to edit, with `others` as the answers to edits of style. */
export function editedPictures(
  sources: readonly EmojiPicture[],
  others: readonly EmojiPicture[],
): EditedPictures {
  const twins = new Map(others.map((picture) => [keyOf(picture.style, picture.name), picture]))
  return { sources, twins }
}

/** Draws a picture and an edit of it. */
export function drawEmojiEdit({ sources, twins }: EditedPictures, draws: RandomDraws): EmojiEdit {
  const picture = draws.pick(sources)
  const twin = twins.get(keyOf(otherStyle(picture.style), picture.name))
  const kind = draws.pick(twin ? emojiEditKinds : emojiEditKinds.filter((each) => each !== 'style'))
  const { image: source, style } = picture
  if (kind === 'style') {
    const instruction = `draw it in the style of ${otherStyle(style)}`
    return { kind, instruction, source, target: twin!.image }
  }
  return { kind, instruction: instructions[kind], source, target: edited[kind](source) }
}

type PixelEdit = Exclude<EmojiEditKind, 'style'>

const instructions: Readonly<Record<PixelEdit, string>> = {
  grey: 'make it grey',
  rotate: 'turn it by 90 degrees to the right',
  mirror: 'mirror it from left to right',
  invert: 'invert its colours',
}

const edited: Readonly<Record<PixelEdit, (image: Image) => Image>> = {
  grey: (image) =>
    fromPixels(image, (x, y) => {
      const [red, green, blue] = pixelAt(image, x, y)
      // Luma of BT.601, as JPEG has it.
      const luma = Math.round(0.299 * red! + 0.587 * green! + 0.114 * blue!)
      return [luma, luma, luma]
    }),
  rotate: (image) => fromPixels(image, (x, y) => pixelAt(image, y, image.height - 1 - x)),
  mirror: (image) => fromPixels(image, (x, y) => pixelAt(image, image.width - 1 - x, y)),
  invert: (image) => ({ ...image, data: image.data.map((value) => 255 - value) }),
}

const pixelAt = ({ width, channels, data }: Image, x: number, y: number): Uint8Array =>
  data.subarray((y * width + x) * channels, (y * width + x + 1) * channels)

/** A picture of the same size, square where columns are read as rows. */
function fromPixels(size: Image, pixel: (x: number, y: number) => ArrayLike<number>): Image {
  const { width, height, channels } = size
  const data = new Uint8Array(width * height * channels)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) data.set(pixel(x, y), (y * width + x) * channels)
  return { width, height, channels, data }
}
