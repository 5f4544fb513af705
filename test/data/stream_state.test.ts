import { expect, it } from 'vitest'
import { streamStateSchema } from '../../lib/data/stream_state.js'

it('reads the states of checkpoints that were made when a chunk was called a piece', () => {
  const source = { cursor: { position: 7 }, positions: 99, skipped: 1 }
  const read = streamStateSchema.parse({ sources: [{ ...source, piece: 3 }, source] })
  expect(read).toEqual({ sources: [{ ...source, chunk: 3 }, source] })
})
