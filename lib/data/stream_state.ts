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

/** A warning for each source whose number of documents has changed: their order in an epoch depends on it. */
export function changedSources(before: StreamState | undefined, now: StreamState): string[] {
  return (before?.sources ?? []).flatMap(({ documents }, i) => {
    const found = now.sources[i]?.documents
    if (documents === undefined || found === undefined || documents === found) return []
    return [
      `the data was changed since training stopped: source ${i + 1} had ${documents} documents, has ${found}. Their order ` +
        'is another one: in this epoch some are seen twice, some not at all',
    ]
  })
}
