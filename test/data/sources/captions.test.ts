import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { captionOf } from '../../../lib/data/sources/captions.js'

it('says that a caption is gzipped', () => {
  const read = () => captionOf(gzipSync('a cat'), '.txt', 'a.txt', 'a.png')
  expect(read).toThrow('a.txt: is gzipped, which captions are not read from: unpack it')
})
