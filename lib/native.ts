import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import bindings from 'bindings'
import { cacheFolder } from './cache_folder.js'
import type { NativeAddon } from './native_types.js'
import { packageRoot, version } from './version.js'

const require = createRequire(import.meta.url)
const platform = `${process.platform}-${process.arch}`
const platformPackage = `@transfusion-js/${platform}`

interface Attempt {
  place: string
  error: string
}

/** An error's first line: below it Node lists who required the file. */
function messageOf(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0]!
}

function loadLocalBuild(): NativeAddon {
  const folders = ['Release', 'cmake']
  try {
    return bindings({
      bindings: 'transfusion.node',
      module_root: packageRoot,
      try: folders.map((folder) => ['module_root', 'build', folder, 'bindings']),
    }) as NativeAddon
  } catch (error) {
    // `tries` marks the error of `bindings` that no file was there; others come from a file it found.
    if (error instanceof Error && 'tries' in error) throw new Error('no such file', { cause: error })
    throw error
  }
}

function userCachePath(): string {
  return join(cacheFolder(), `${version}-${platform}`, 'transfusion.node')
}

function loadFile(path: string): NativeAddon {
  if (!existsSync(path)) throw new Error('no such file')
  return require(path) as NativeAddon
}

function loadPlatformPackage(): NativeAddon {
  const found = (require(`${platformPackage}/package.json`) as { version: string }).version
  // Kernels and the code that calls them change together.
  if (found !== version) throw new Error(`it is version ${found}, this is transfusion-js ${version}`)
  return require(platformPackage) as NativeAddon
}

/** The places a binary may lie in, best first. */
function places(): [place: string, load: () => NativeAddon][] {
  // An override is an order, not a hint: a wrong path must not end in some other binary.
  const override = process.env['TRANSFUSION_NATIVE']
  if (override) return [[`TRANSFUSION_NATIVE=${override}`, () => loadFile(resolve(override))]]
  if (version === undefined)
    throw new Error(
      `transfusion-js: a bundler has taken it into ${fileURLToPath(import.meta.url)}. It loads its addon and starts its ` +
        `workers from files of its own: name "transfusion-js" as external to the bundler. More: docs/packaging.md`,
    )

  const cached = userCachePath()
  return [
    [`local build ${join(packageRoot, 'build/{Release,cmake}/transfusion.node')}`, loadLocalBuild],
    [`user cache ${cached}`, () => loadFile(cached)],
    [`platform package ${platformPackage}`, loadPlatformPackage],
  ]
}

/**
 * OpenMP's threads spin while they wait, by default for milliseconds: beside JavaScript's own thread, or any other
 * work on the machine, that slows kernels down up to tenfold. They read this when the addon is first loaded.
 */
function limitSpinning(): void {
  if (process.env['OMP_WAIT_POLICY'] === undefined) process.env['GOMP_SPINCOUNT'] ??= '1000'
}

/** A name that is none of them would otherwise mean the slowest code. */
function checkDispatch(): void {
  const simd = process.env['TRANSFUSION_SIMD']
  if (simd && !['avx512', 'avx2', 'baseline'].includes(simd))
    throw new Error(`TRANSFUSION_SIMD: expected "avx512", "avx2", "baseline" or nothing, received "${simd}"`)
}

function load(): NativeAddon {
  checkDispatch()
  limitSpinning()
  const attempts: Attempt[] = []
  for (const [place, loadFrom] of places()) {
    try {
      return loadFrom()
    } catch (error) {
      attempts.push({ place, error: messageOf(error) })
    }
  }
  const tried = attempts.map(({ place, error }) => `  - ${place}: ${error}`).join('\n')
  throw new Error(
    `transfusion-js: no native binary for ${platform} could be loaded. Tried:\n${tried}\n` +
      `Remedies, of which one is enough:\n${remedies()
        .map((remedy) => `  - ${remedy}`)
        .join('\n')}\n` +
      `More: ${join(packageRoot, 'docs/troubleshooting.md')}#no-native-binary`,
  )
}

function remedies(): string[] {
  if (process.env['TRANSFUSION_NATIVE'])
    return ['set TRANSFUSION_NATIVE to the path of a transfusion.node, or do not set it']
  return [
    `install ${platformPackage} ${version}, which \`npm run pack:platform\` in a clone makes, beside transfusion-js`,
    `run \`npm run build:native --prefix ${packageRoot}\`; it needs a C++ compiler, oneDNN and Highway`,
    'set TRANSFUSION_NATIVE to the path of a transfusion.node that was built elsewhere',
  ]
}

/** The addon: one object per JavaScript environment, behind `import` and `require` alike. */
export const native: NativeAddon = load()
