import { expect, it } from 'vitest'
import { buildMetadata, orderImages, sequenceStart } from '../../lib/sequence/metadata.js'

const image = (height: number, width: number) => ({ type: 'image' as const, height, width })

it('puts images in another order, where they stand unchanged', () => {
  const sizes = [image(2, 4), image(4, 4), image(2, 2)]
  const spans = sizes.flatMap((size) => [{ type: 'text' as const, ids: [7] }, size])
  const metadata = buildMetadata([{ spans, start: sequenceStart, keyStart: 0 }], { patch: 2 })
  const ordered = orderImages(metadata, [2, 0, 1])
  expect([...ordered.imageSizes]).toEqual([2, 2, 2, 4, 4, 4])
  expect([...ordered.imageRows]).toEqual([0, 4, 12, 28])
  expect([...ordered.patchRows]).toEqual([9, 1, 2, 4, 5, 6, 7])
  expect([...ordered.patchImage]).toEqual([0, 1, 1, 2, 2, 2, 2])
  expect([...ordered.patchPositions]).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1])
  for (const same of ['ids', 'keyStart', 'keyEnd', 'positions'] as const)
    expect(ordered[same]).toBe(metadata[same])
  expect(orderImages(metadata, [0, 1, 2])).toEqual(metadata)
})
