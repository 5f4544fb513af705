import { checkArguments } from '../../arguments.js'
import { describe } from '../../describe.js'
import type { Image } from '../../image/image.js'
import { type EmojiName, type EmojiStyle, emojiStyles, heldOutStyle, matchNames } from './emoji_names.js'
import { IconSet } from './icon_set.js'
import { readImage } from '../../image/image_io.js'
import {
  captionedImage,
  checkIndex,
  type ImageDataset,
  type Sample,
} from '../../data/sources/image_dataset.js'

/** Width and height of the pictures where no other is asked for, pixels. */
export const emojiSide = 32

const packages = { noto: '@iconify-json/noto', fluent: '@iconify-json/fluent-emoji-flat' } as const

/** One emoji in one style. */
export interface EmojiPicture {
  /** Without the style: "grinning face". */
  readonly name: string
  /** Who drew it. */
  readonly style: EmojiStyle
  /** "Smileys & Emotion", "Food & Drink" and so on. */
  readonly group: string
  /** Square, RGB, on white. */
  readonly image: Image
}

/** "noto, grinning face" */
export function emojiCaption(picture: Pick<EmojiPicture, 'style' | 'name'>): string {
  checkArguments('emojiCaption', { picture: [picture, 'object'] })
  return `${picture.style}, ${picture.name}`
}

/** Pictures with their captions; a picture's class is its group. */
export class EmojiDataset implements ImageDataset {
  constructor(
    /** In the order of their index. */
    readonly pictures: readonly EmojiPicture[],
    /** The groups. */
    readonly classNames: readonly string[],
  ) {}

  /** Number of pictures. */
  get length(): number {
    return this.pictures.length
  }

  /** Throws a RangeError for an index outside 0 .. length - 1. */
  get(index: number): Sample {
    checkIndex(index, this.length, 'EmojiDataset')
    const picture = this.pictures[index]!
    return captionedImage(emojiCaption(picture), picture.image, this.classNames.indexOf(picture.group))
  }
}

/** Emoji in two styles: some pairs of style and name are held out, whose name is there in the other style. */
export interface EmojiData {
  /** What a model learns from: about 93% of the pairs. */
  readonly training: EmojiDataset
  /** What it has not seen: each name in the one style that `training` lacks. */
  readonly heldOut: EmojiDataset
}

/**
 * Draws the emoji that are in both icon sets, some 1,580 in each style, from their SVGs, `side` x `side` pixels each: a few
 * seconds, in sharp's threads. Rejects with an Error that names the npm package that is missing.
 */
export async function openEmoji(side = emojiSide): Promise<EmojiData> {
  if (!Number.isInteger(side) || side < 1)
    throw new RangeError(`openEmoji: side must be a positive number of pixels, received ${describe(side)}`)
  const [noto, fluent] = await Promise.all([IconSet.open(packages.noto), IconSet.open(packages.fluent)])
  const sets = { noto, fluent }
  const drawn = await Promise.all(
    matchNames(sets).map((name) =>
      Promise.all(emojiStyles.map((style) => draw(sets[style], name, style, side))),
    ),
  )
  return splitEmoji(withoutTwins(drawn).flat())
}

/** Deals pictures out to training and test, each with all groups. */
export function splitEmoji(pictures: readonly EmojiPicture[]): EmojiData {
  const groups = [...new Set(pictures.map(({ group }) => group))].toSorted()
  const isHeldOut = ({ name, style }: EmojiPicture) => heldOutStyle(name) === style
  return {
    training: new EmojiDataset(
      pictures.filter((picture) => !isHeldOut(picture)),
      groups,
    ),
    heldOut: new EmojiDataset(pictures.filter(isHeldOut), groups),
  }
}

async function draw(
  set: IconSet,
  { name, group, icons }: EmojiName,
  style: EmojiStyle,
  side: number,
): Promise<EmojiPicture> {
  const image = await readImage(set.svg(icons[style], side), { width: side, height: side, channels: 3 })
  return { name, style, group, image }
}

/** Without names whose picture is another's: a held-out picture is in no training set under a second name. */
function withoutTwins(drawn: readonly (readonly EmojiPicture[])[]): (readonly EmojiPicture[])[] {
  const seen = new Set<string>()
  return drawn.filter((pictures) => {
    const pixels = pictures.map(({ image }) => Buffer.from(image.data).toString('latin1'))
    const isTwin = pixels.some((each) => seen.has(each))
    for (const each of pixels) seen.add(each)
    return !isTwin
  })
}
