import { describe, expect, it } from 'vitest'
import type { EmojiPicture } from '../../lib/datasets/emoji/emoji.js'
import { EmojiGallery } from '../../lib/experiments/emoji/emoji_gallery.js'
import type { Features } from '../../lib/evaluation/features.js'
import { sharesFarther, squaredDistance } from '../../lib/evaluation/retrieval.js'

const features = (...rows: number[][]): Features => ({
  data: Float32Array.from(rows.flat()),
  width: rows[0]!.length,
})

describe('sharesFarther', () => {
  const candidates = features([0, 0], [3, 4], [0, 2], [6, 8])

  it('tells the share of the other candidates that are farther than the right one', () => {
    const queries = features([0, 0.5], [0, 0.5], [6, 7], [3, 4])
    expect(sharesFarther(queries, candidates, [0, 3, 3, 0])).toEqual([1, 0, 1, 0])
    expect(sharesFarther(features([2, 3]), candidates, [2])[0]).toBeCloseTo(2 / 3, 12)
  })

  it('counts what is as near as the right one against it', () => {
    expect(sharesFarther(features([0, 1]), candidates, [2])[0]).toBeCloseTo(2 / 3, 12)
  })

  it('measures squared Euclidean distances', () => {
    expect(squaredDistance(features([1, 1], [0, 0]), 1, candidates, 1)).toBe(25)
  })
})

describe('EmojiGallery', () => {
  const pictures = (['noto', 'fluent'] as const).flatMap((style) =>
    ['ant', 'bear', 'cat'].map((name): Pick<EmojiPicture, 'style' | 'name'> => ({ style, name })),
  )
  // Noto's lie on one line, Fluent's on another beside it.
  const gallery = new EmojiGallery(pictures, features([0, 0], [2, 0], [4, 0], [0, 1], [2, 1], [4, 1]))
  const asked = [
    { style: 'noto', name: 'ant' },
    { style: 'fluent', name: 'bear' },
    { style: 'fluent', name: 'ant' },
  ] as const

  it('looks for a picture in the style that was asked for', () => {
    // The first is nearest to Fluent's ant, which does not count; the third lies at the bear.
    const { found, farther } = gallery.find(features([0, 1], [2, 1], [2, 1]), asked)
    expect(found).toBeCloseTo(2 / 3, 12)
    expect(farther).toBeCloseTo((1 + 1 + 0) / 3, 12)
  })

  it('knows which of the two styles an image is nearer to', () => {
    expect(gallery.restyled(features([0, 0.1], [2, 0.1], [0, 0.9]), asked)).toBeCloseTo(2 / 3, 12)
  })

  it('gives the same names in the other style', () => {
    expect([...gallery.otherStyle(asked).data]).toEqual([0, 1, 2, 0, 0, 0])
  })
})
