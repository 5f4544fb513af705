import type { z } from 'zod'
import type { sourceSchema } from '../../datasets/data_config.js'
import { typeOfFile } from '../../data/sources/files/data_types.js'

/** Texts that a command line names, as a data config: JSON Lines or plain text, by what the name ends with. */
export const textData = (path: string): z.input<typeof sourceSchema> => ({
  type: typeOfFile(path) === 'jsonl' ? 'jsonl' : 'text',
  path,
})
