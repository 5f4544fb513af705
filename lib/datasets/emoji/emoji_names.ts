import { createHash } from 'node:crypto'
import type { IconSet } from './icon_set.js'

/** The hand that drew an emoji, as captions call it: Google's Noto, or Microsoft's Fluent. */
export type EmojiStyle = 'noto' | 'fluent'

export const emojiStyles: readonly EmojiStyle[] = ['noto', 'fluent']

/** The one of the two that is not this one. */
export const otherStyle = (style: EmojiStyle): EmojiStyle => (style === 'noto' ? 'fluent' : 'noto')

/** An emoji that there is in all styles. */
export interface EmojiName {
  /** In captions: "grinning face". */
  readonly name: string
  /** "Smileys & Emotion", "Food & Drink" and so on. */
  readonly group: string
  /** What it is called in each set. */
  readonly icons: Readonly<Record<EmojiStyle, string>>
}

/** Five variants of every hand and person would be three quarters of all pictures. */
const skinTone = /1f3f[b-f]/

/** The sets share eight only, white ones and black ones among them: too few to be told from other groups. */
const leftOut = 'Flags'

/**
 * The emoji that all sets draw, in the order of their characters: what is one emoji is for Unicode to say, for the sets
 * call 30 by different names. Names and groups are Noto's, which follow Unicode's. Skin tones and flags are left out.
 */
export function matchNames(sets: Readonly<Record<EmojiStyle, IconSet>>): EmojiName[] {
  const names: EmojiName[] = []
  for (const [characters, noto] of sets.noto.characters) {
    const fluent = sets.fluent.characters.get(characters)
    const group = sets.noto.groups.get(noto)
    if (skinTone.test(characters) || fluent === undefined || group === undefined || group === leftOut)
      continue
    if (!sets.noto.has(noto) || !sets.fluent.has(fluent)) continue
    names.push({ name: noto.replaceAll('-', ' '), group, icons: { noto, fluent } })
  }
  return names
}

/** Of the names, so that half as many pairs of style and name are held out. */
const heldOutShare = 0.15

/**
 * The style in which an emoji is held out, if any; it is then trained in the other alone. It follows from the name, so
 * that other versions of the sets move no pair from one side to the other.
 */
export function heldOutStyle(name: string): EmojiStyle | undefined {
  const hash = createHash('sha256').update(name).digest()
  const isHeldOut = hash.readUInt32BE(0) < heldOutShare * 2 ** 32
  return isHeldOut ? emojiStyles[hash[4]! % emojiStyles.length] : undefined
}
