import { access } from 'node:fs/promises'

/** Whether a path names a file or folder that can be looked at; links are followed. */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
