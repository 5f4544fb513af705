import { z } from 'zod'
import { withRenamedKeys } from '../config/renamed.js'
import type { StreamState } from './document_stream.js'

const count = z.int().min(0)

/** The state of a stream as checkpoints keep it. */
export const streamStateSchema: z.ZodType<StreamState> = z.strictObject({
  sources: z
    .array(
      withRenamedKeys(
        z.strictObject({
          cursor: z.record(z.string(), z.number()).optional(),
          chunk: count.optional(),
          positions: count,
          skipped: count,
          documents: count.optional(),
        }),
        { piece: 'chunk' },
      ),
    )
    .readonly(),
})
