import { extname } from 'node:path'
import type { sourceSchema } from '../data/data_config.js'
import type { z } from 'zod'

/** A file of texts that a command line names, as a data config: JSON Lines or plain text, by what its name ends with. */
export const textData = (path: string): z.input<typeof sourceSchema> => ({
  type: ['.jsonl', '.ndjson'].includes(extname(path)) ? 'jsonl' : 'text',
  path,
})
