import { describe, expect, it } from 'vitest'
import { drawEmojiEdit, editedPictures, emojiEditKinds } from '../../../lib/datasets/emoji/edits.js'
import { emojiCaption, type EmojiPicture, openEmoji } from '../../../lib/datasets/emoji/emoji.js'
import { openEmojiSource } from '../../../lib/datasets/emoji/emoji_source.js'
import { RandomDraws } from '../../../lib/random.js'
import type { Image } from '../../../lib/image/image.js'
import { collect } from '../../data/stream/documents.js'

const image = (...data: number[]): Image => ({
  width: 2,
  height: 2,
  channels: 3,
  data: Uint8Array.from(data),
})
// Red, green; blue, white.
const noto = image(255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255)
const fluent = image(...Array.from({ length: 12 }, (_, i) => i))
const picture = (style: EmojiPicture['style'], pixels: Image): EmojiPicture => ({
  name: 'egg',
  style,
  group: 'Food & Drink',
  image: pixels,
})

describe('drawEmojiEdit', () => {
  const edits = (others: EmojiPicture[]) =>
    Array.from({ length: 60 }, (_, i) =>
      drawEmojiEdit(editedPictures([picture('noto', noto)], others), new RandomDraws(1, 'emoji', i)),
    )

  it('gives the edited pixels', () => {
    const byKind = new Map(edits([picture('fluent', fluent)]).map((edit) => [edit.kind, edit]))
    expect([...byKind.keys()].toSorted()).toEqual([...emojiEditKinds].toSorted())
    const pixels = (kind: (typeof emojiEditKinds)[number]) => [...byKind.get(kind)!.target.data]
    expect(pixels('grey')).toEqual([76, 76, 76, 150, 150, 150, 29, 29, 29, 255, 255, 255])
    expect(pixels('rotate')).toEqual([0, 0, 255, 255, 0, 0, 255, 255, 255, 0, 255, 0])
    expect(pixels('mirror')).toEqual([0, 255, 0, 255, 0, 0, 255, 255, 255, 0, 0, 255])
    expect(pixels('invert')).toEqual([0, 255, 255, 255, 0, 255, 255, 255, 0, 0, 0, 0])
    expect(pixels('style')).toEqual([...fluent.data])
    expect(byKind.get('style')!.instruction).toBe('draw it in the style of fluent')
  })

  it('asks for no other style where there is none', () => {
    expect(edits([]).map(({ kind }) => kind)).not.toContain('style')
  })
})

describe('openEmojiSource', () => {
  it('gives the same documents of training pictures from the same seed', async () => {
    const options = { size: 16, seed: 3, tasks: { caption: 1, edit: 1 }, count: 40 }
    const source = await openEmojiSource(options)
    const documents = await collect(source.once())
    expect(documents).toHaveLength(40)
    expect(await collect(source.once())).toEqual(documents)
    const { heldOut } = await openEmoji(16)
    const unseen = new Set(heldOut.pictures.map(({ image }) => Buffer.from(image.data).toString('latin1')))
    const captions = new Set(heldOut.pictures.map(emojiCaption))
    const forms = new Set<string>()
    for (const document of documents) {
      if ('error' in document) throw document.error
      forms.add(document.parts.map(({ type }) => type).join(' '))
      const isHeldOut = document.parts.map((part) => {
        if (part.type === 'text') return captions.has(part.text)
        return 'image' in part && unseen.has(Buffer.from(part.image.data).toString('latin1'))
      })
      expect(isHeldOut).not.toContain(true)
    }
    expect([...forms].toSorted()).toEqual(['image text image', 'text image'])
  })
})
