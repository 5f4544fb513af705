// After `npm ci` in a clone, and where npm installs this package from a git URL: dist/, without which it is nothing. It
// takes no compiler. As `postprepare`, for npm asks the projects that depend on a package about its `prepare`.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { buildTypeScript } from './build.mjs'
import { main, root } from './run.mjs'

// `npm ci --omit=dev` brings no compiler of TypeScript either.
if (existsSync(join(root, 'node_modules/typescript'))) main(buildTypeScript)
