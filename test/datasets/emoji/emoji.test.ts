import { beforeAll, describe, expect, it } from 'vitest'
import {
  emojiCaption,
  type EmojiData,
  type EmojiPicture,
  emojiSide,
  openEmoji,
} from '../../../lib/datasets/emoji/emoji.js'
import { heldOutStyle, otherStyle } from '../../../lib/datasets/emoji/emoji_names.js'
import { IconSet } from '../../../lib/datasets/emoji/icon_set.js'

let data: EmojiData
let pictures: EmojiPicture[]

beforeAll(async () => {
  data = await openEmoji()
  pictures = [...data.training.pictures, ...data.heldOut.pictures]
})

const find = (style: EmojiPicture['style'], name: string): EmojiPicture => {
  const found = pictures.find((picture) => picture.style === style && picture.name === name)
  if (!found) throw new Error(`there is no ${emojiCaption({ style, name })}`)
  return found
}

/** Red, green and blue of the pixel in the middle. */
const middle = ({ image }: EmojiPicture): number[] => {
  const at = ((emojiSide / 2) * emojiSide + emojiSide / 2) * 3
  return [...image.data.subarray(at, at + 3)]
}

const captionsOf = (part: readonly EmojiPicture[]) => new Set(part.map(emojiCaption))

describe('openEmoji', () => {
  it('finds each emoji in both styles, in eight groups', () => {
    expect(pictures).toHaveLength(2 * 1582)
    expect(captionsOf(pictures).size).toBe(pictures.length)
    const names = (style: string) =>
      pictures.filter((picture) => picture.style === style).map(({ name }) => name)
    expect(names('noto').toSorted()).toEqual(names('fluent').toSorted())
    const count = (group: string) => pictures.filter((picture) => picture.group === group).length / 2
    expect(Object.fromEntries(data.training.classNames.map((group) => [group, count(group)]))).toEqual({
      Activities: 85,
      'Animals & Nature': 158,
      'Food & Drink': 130,
      Objects: 262,
      'People & Body': 340,
      'Smileys & Emotion': 167,
      Symbols: 222,
      'Travel & Places': 218,
    })
  })

  it('takes what Unicode calls one character for one emoji, whatever a set calls it', () => {
    // Fluent's icon is "person-vampire", and its "piata" lacks a letter.
    for (const name of ['vampire', 'pinata'])
      expect(find('fluent', name).group).toBe(find('noto', name).group)
  })

  it('leaves out skin tones, flags, and names whose picture is that of another', () => {
    const names = pictures.map(({ name }) => name)
    expect(names.filter((name) => /\b(tone|dark|medium)$/.test(name))).toEqual([])
    expect(names).not.toContain('pirate flag')
    const looks = pictures.map(({ style, image }) => `${style} ${Buffer.from(image.data).toString('base64')}`)
    expect(new Set(looks).size).toBe(pictures.length)
  })

  it('draws in colours on white', () => {
    for (const { image } of pictures) {
      expect(image).toMatchObject({ width: emojiSide, height: emojiSide, channels: 3 })
      expect(image.data).toHaveLength(emojiSide * emojiSide * 3)
    }
    for (const style of ['noto', 'fluent'] as const) {
      const heart = find(style, 'red heart')
      const [red, green, blue] = middle(heart)
      expect(red).toBeGreaterThan(200)
      expect(Math.max(green!, blue!)).toBeLessThan(90)
      expect([...heart.image.data.subarray(0, 3)]).toEqual([255, 255, 255])
      const [, , blueOfCircle] = middle(find(style, 'blue circle'))
      expect(blueOfCircle).toBeGreaterThan(150)
    }
  })

  it('holds out some pairs of style and name, of which the other style can be learned', () => {
    const [training, heldOut] = [captionsOf(data.training.pictures), captionsOf(data.heldOut.pictures)]
    expect([training.size, heldOut.size]).toEqual([2930, 234])
    for (const { style, name } of data.heldOut.pictures) {
      expect(training).not.toContain(emojiCaption({ style, name }))
      expect(training).toContain(emojiCaption({ style: otherStyle(style), name }))
    }
    const ofNoto = data.heldOut.pictures.filter(({ style }) => style === 'noto').length
    expect(ofNoto / heldOut.size).toBeCloseTo(0.5, 1)
    expect(data.heldOut.classNames).toEqual(data.training.classNames)
  })

  it('holds out by the name alone, the same at any time', () => {
    expect(['airplane', 'biohazard', 'red heart'].map(heldOutStyle)).toEqual(['noto', 'fluent', undefined])
  })

  it('captions a picture with its style and its name', () => {
    const index = data.training.pictures.findIndex(({ name }) => name === 'grinning face')
    const { style, image, group } = data.training.pictures[index]!
    expect(data.training.get(index)).toEqual({
      parts: [
        { type: 'text', text: `${style}, grinning face` },
        { type: 'image', image },
      ],
      label: data.training.classNames.indexOf(group),
    })
    expect(group).toBe('Smileys & Emotion')
    expect(() => data.training.get(2930)).toThrow('index must be an integer from 0 to 2929; received 2930')
  })
})

describe('openEmoji of another size', () => {
  it.each([0, 1.5, '64'])('refuses %j pixels', async (side) => {
    await expect(openEmoji(side as number)).rejects.toThrow(
      'openEmoji: side must be a positive number of pixels, received',
    )
  })
})

describe('IconSet', () => {
  it('draws at 128 pixels, or at the size that is asked for where that is more', async () => {
    const set = await IconSet.open('@iconify-json/fluent-emoji-flat')
    const sideOf = (svg: Buffer) => /width="(\d+)" height="(\d+)"/.exec(svg.toString())!.slice(1)
    expect([set.svg('avocado'), set.svg('avocado', 64), set.svg('avocado', 256)].map(sideOf)).toEqual([
      ['128', '128'],
      ['128', '128'],
      ['256', '256'],
    ])
  })

  it('names a package that is missing, and how to get it', async () => {
    await expect(IconSet.open('@iconify-json/no-such-set')).rejects.toThrow(
      "the npm package '@iconify-json/no-such-set' is not installed.\nInstall it with\n  npm install --no-save @iconify-json/no-such-set",
    )
  })

  it('says what is wrong in a package that is no icon set', async () => {
    await expect(IconSet.open('zod')).rejects.toThrow(/node_modules\/zod\/.*\.json: no such file/)
  })

  it('refuses a name that it lacks', async () => {
    const set = await IconSet.open('@iconify-json/fluent-emoji-flat')
    expect([set.has('avocado'), set.has('avocadoo')]).toEqual([true, false])
    expect(() => set.svg('avocadoo')).toThrow('icon must be one that the set has, received "avocadoo"')
  })
})
