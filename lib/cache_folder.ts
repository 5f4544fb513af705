import { homedir } from 'node:os'
import { join } from 'node:path'

/** The folder of what is kept for this user, and can be made again. */
export const cacheFolder = (): string =>
  join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'transfusion-js')
