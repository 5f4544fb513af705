import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** The package's folder. */
export const packageRoot = fileURLToPath(new URL('..', import.meta.url))

/** The package's version; undefined where a bundler has taken this file out of the package. */
export const version = ownVersion()

function ownVersion(): string | undefined {
  try {
    const manifest = createRequire(import.meta.url)('../package.json') as { name: string; version: string }
    return manifest.name === 'transfusion-js' ? manifest.version : undefined
  } catch {
    return undefined
  }
}
