// Builds the addon (node-gyp) and the JavaScript (tsc); both only where sources changed.
//   node scripts/build.mjs [native | ts]
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { installBuildTools } from './build_tools.mjs'
import { generateKernels } from './generate-kernels.mjs'
import { isInstalled, main, nodePrefix, root, run, runTool, toolsFolder } from './run.mjs'
import { updateFolder } from './update_folder.mjs'

/** Where the build puts the addon. */
export const addonPath = join(root, 'build', nodePrefix ? 'Release' : 'cmake', 'transfusion.node')

const werrorMark = join(root, 'build', 'werror')

/**
 * Builds the addon and loads it once. After a build with `werror` a checkout keeps treating warnings as errors,
 * because changing flags would compile everything again.
 */
export function buildNative({ werror = false } = {}) {
  if (werror) {
    mkdirSync(dirname(werrorMark), { recursive: true })
    writeFileSync(werrorMark, '')
  }
  const strict = existsSync(werrorMark) ? 1 : 0
  const jobs = String(availableParallelism())
  installBuildTools()
  if (nodePrefix) buildWithGyp(strict, jobs)
  else {
    // node-gyp would download headers; cmake-js has them from npm.
    const options = ['--out=build/cmake', `--CDTRANSFUSION_WERROR=${strict}`, `--parallel=${jobs}`]
    runTool('cmake-js/bin/cmake-js', ['compile', ...options], { env: toolsEnvironment })
  }
  // A shared addon links without a kernel that its table names: only loading it tells.
  run(process.execPath, ['--eval', `require(${JSON.stringify(addonPath)})`])
}

/** binding.gyp and CMakeLists.txt ask Node where headers are: in an installed package, among its own build tools. */
const toolsEnvironment = { NODE_PATH: join(toolsFolder, 'node_modules') }

/**
 * node-gyp reads binding.gyp at the root. The package has it in dist/ instead: npm takes one at an installed package's root
 * for a reason to compile.
 */
const binding = join(root, 'binding.gyp')
const packedBinding = join(root, 'dist/binding.gyp')

function buildWithGyp(strict, jobs) {
  const gyp = (...args) =>
    runTool('node-gyp/bin/node-gyp.js', ['--loglevel=warn', `--nodedir=${nodePrefix}`, ...args], {
      env: toolsEnvironment,
    })
  if (isInstalled) copyFileSync(packedBinding, binding)
  try {
    // Configuring takes a second and finds sources that were added or removed.
    gyp('configure', '--', `-Dwerror=${strict}`)
    // Highway includes each of our sources from a header of its own: in there the compiler takes ours for the system's,
    // which -MMD, gyp's choice, leaves out of what an object depends on.
    gyp('build', '--jobs', jobs, 'DEPFLAGS=-MD -MF $(depfile).raw')
  } finally {
    if (isInstalled) rmSync(binding, { force: true })
  }
}

/**
 * Builds dist/ and brings the generated kernel types up to date. What has not changed in dist/ is left as it is: `npm pack`
 * builds, too, while programs may be starting.
 */
export function buildTypeScript() {
  generateKernels()
  // Beside dist/, for source maps name the sources relative to where they lie.
  const fresh = mkdtempSync(join(root, '.dist-'))
  try {
    runTool('typescript/bin/tsc', ['--outDir', fresh])
    copyFileSync(binding, join(fresh, 'binding.gyp'))
    // The script of the report's page, which knows a browser instead of Node, as one file.
    runTool('typescript/bin/tsc', ['--project', 'lib/reporting/browser'])
    const page = ['--config', 'scripts/vite.page.mjs', '--outDir', join(fresh, 'reporting/browser')]
    runTool('vite/bin/vite.js', ['build', '--configLoader', 'native', ...page])
    updateFolder(join(root, 'dist'), fresh)
  } finally {
    rmSync(fresh, { recursive: true })
  }
  // npm does so where it installs, but a link to a clone is there before the build, too.
  chmodSync(join(root, 'dist/cli/main.js'), 0o755)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  main(() => {
    const [part] = process.argv.slice(2)
    if (part !== 'ts') buildNative()
    if (part !== 'native') buildTypeScript()
  })
}
