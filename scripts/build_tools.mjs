// The npm packages that compile the addon. A clone has them as devDependencies; an installed package gets them here, in a
// folder of its own, where they are wanted: who installs the platform's package never needs them.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isInstalled, nodePrefix, root, run, toolsFolder } from './run.mjs'

const names = nodePrefix ? ['node-gyp', 'node-addon-api'] : ['cmake-js', 'node-addon-api', 'node-api-headers']

const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))

function versionOf(name) {
  const folder = join(toolsFolder, 'node_modules', name)
  return existsSync(join(folder, 'package.json')) ? manifestOf(folder).version : undefined
}

/** Installs the build tools of an installed package, in the versions of its package.json, unless they are there. */
export function installBuildTools() {
  if (!isInstalled) return
  const { devDependencies } = manifestOf(root)
  const missing = names.filter((name) => versionOf(name) !== devDependencies[name])
  if (missing.length === 0) return
  const wanted = names.map((name) => `${name}@${devDependencies[name]}`)
  console.log(`Installing ${wanted.join(', ')} from npm into ${toolsFolder}`)
  // The prefix in words: `npm run --prefix` hands its own on in the environment.
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', toolsFolder]
  run('npm', ['install', ...options, ...wanted])
}
