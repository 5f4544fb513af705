import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Removes from `outputs` what tsc once made of sources that `sources` no longer has: it never removes any itself, and npm
 * would pack them.
 */
export function removeOrphans(outputs, sources) {
  for (const path of readdirSync(outputs, { recursive: true })) {
    const source = path.replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')
    if (source !== path && !isBundled(path) && !existsSync(join(sources, source))) rmSync(join(outputs, path))
  }
}

/** The report page's folder is made anew by vite each time. */
const isBundled = (path) => path.startsWith(join('reporting', 'browser'))
