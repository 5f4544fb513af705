import { expect, it } from 'vitest'
import { orderPair, pairOrder, type PairOrder } from '../../lib/sequence/order.js'
import { packDocuments } from './pack_documents.js'
import { patch, tokens } from './random_documents.js'

const caption = { type: 'text', ids: [5, 6] } as const
const image = { type: 'image', height: 2, width: 2 } as const
const pack = (order: PairOrder) => packDocuments([orderPair(caption, image, order)], { patch, tokens })

it('orders four pairs of five caption first', () => {
  const orders = [0, 0.3, 0.79, 0.8, 0.99].map((u) => pairOrder(u))
  expect(orders).toEqual(['caption-first', 'caption-first', 'caption-first', 'image-first', 'image-first'])
  expect(pairOrder(0.4, 0.25)).toBe('image-first')
})

it('limits the noise only of image-first pairs', () => {
  expect(Array.from(pack('caption-first').ids)).toEqual([1, 5, 6, 100, -1, 101, 2])
  expect(Array.from(pack('caption-first').limitNoise)).toEqual([0])
  expect(Array.from(pack('image-first').ids)).toEqual([1, 100, -1, 101, 5, 6, 2])
  expect(Array.from(pack('image-first').limitNoise)).toEqual([1])
})
