import { describe, expect, it } from 'vitest'
import type { EmojiPicture } from '../../../lib/datasets/emoji/emoji.js'
import type { Features } from '../../../lib/evaluation/image_metrics/features.js'
import { EmojiRetrieval } from '../../../lib/experiments/emoji/emoji_retrieval.js'

const features = (...rows: number[][]): Features => ({
  data: Float32Array.from(rows.flat()),
  width: rows[0]!.length,
})

describe('EmojiRetrieval', () => {
  const pictures = (['noto', 'fluent'] as const).flatMap((style) =>
    ['ant', 'bear', 'cat'].map((name): Pick<EmojiPicture, 'style' | 'name'> => ({ style, name })),
  )
  // Noto's lie on one line, Fluent's on another beside it.
  const retrieval = new EmojiRetrieval(pictures, features([0, 0], [2, 0], [4, 0], [0, 1], [2, 1], [4, 1]))
  const targets = [
    { style: 'noto', name: 'ant' },
    { style: 'fluent', name: 'bear' },
    { style: 'fluent', name: 'ant' },
  ] as const

  it('looks for a picture in the style of its target', () => {
    // The first is nearest to Fluent's ant, which does not count; the third lies at the bear.
    const { at1, auc } = retrieval.retrieve(features([0, 1], [2, 1], [2, 1]), targets)
    expect(at1).toBeCloseTo(2 / 3, 12)
    expect(auc).toBeCloseTo((1 + 1 + 0) / 3, 12)
  })

  it('knows which of the two styles an image is nearer to', () => {
    expect(retrieval.styleRetrievalAt1(features([0, 0.1], [2, 0.1], [0, 0.9]), targets)).toBeCloseTo(
      2 / 3,
      12,
    )
  })

  it('gives the same names in the other style', () => {
    expect([...retrieval.otherStyle(targets).data]).toEqual([0, 1, 2, 0, 0, 0])
  })
})
