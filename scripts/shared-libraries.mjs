// Makes a folder of a Linux addon and the shared libraries it needs, which loads on a machine that has none of them.
import { copyFileSync, chmodSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Failure, capture, run } from './run.mjs'

// Node itself is linked with these, so they are loaded before any addon: another copy of them would not be used.
const systemLibraries = /^(ld-linux.*|libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s)\.so\b/

/** The libraries that a binary loads and that are not the system's, with those that they load in turn. */
function librariesOf(binary) {
  return capture('ldd', [binary])
    .split('\n')
    .flatMap((line) => {
      const [, name, path] = /^\s*(\S+) => (not found|\S+)/.exec(line) ?? []
      if (name === undefined || systemLibraries.test(name)) return []
      if (path === 'not found')
        throw new Failure(
          'a-library-is-not-installed',
          `${basename(binary)} needs ${name}, which is not installed`,
        )
      return [{ name, path: realpathSync(path) }]
    })
}

/** What a binary asks of others: the libraries it names, where it looks for them, and the versions of symbols. */
function demandsOf(binary) {
  const dynamic = capture('readelf', ['--dynamic', '--wide', binary])
  const entries = (tag) =>
    [...dynamic.matchAll(new RegExp(`\\(${tag}\\).*\\[(.*)\\]`, 'g'))].map(([, value]) => value)
  const versions = capture('readelf', ['--version-info', '--wide', binary])
  return {
    needed: entries('NEEDED'),
    searched: [...entries('RPATH'), ...entries('RUNPATH')],
    versions: [...versions.matchAll(/Name: ((?:GLIBC|GLIBCXX)_[\d.]+)/g)].map(([, version]) => version),
  }
}

/**
 * Copies an addon and its libraries into a folder and makes each look beside itself for the others. Returns the
 * libraries, each with the path it was copied from, and the newest symbol versions that the system must have.
 */
export function gatherLibraries(addon, folder) {
  const libraries = librariesOf(addon)
  const files = [{ name: basename(addon), path: addon }, ...libraries]
  for (const { name, path } of files) {
    const copy = join(folder, name)
    copyFileSync(path, copy)
    chmodSync(copy, 0o755)
    run('patchelf', ['--set-rpath', '$ORIGIN', copy])
  }
  const demands = files.map(({ name }) => ({ name, ...demandsOf(join(folder, name)) }))
  const shipped = new Set(files.map(({ name }) => name))
  for (const { name, needed, searched } of demands) {
    const strange = needed.filter((other) => !shipped.has(other) && !systemLibraries.test(other))
    if (strange.length > 0)
      throw new Failure(
        'the-package-would-not-load',
        `${name} needs ${strange.join(', ')}, which the package lacks`,
      )
    if (searched.join() !== '$ORIGIN')
      throw new Failure('the-package-would-not-load', `${name} looks for libraries in "${searched.join()}"`)
  }
  const versions = demands.flatMap((demand) => demand.versions)
  return { libraries, glibc: newest(versions, 'GLIBC_'), glibcxx: newest(versions, 'GLIBCXX_') }
}

function newest(versions, prefix) {
  const numbers = versions.filter((version) => version.startsWith(prefix)).map((v) => v.slice(prefix.length))
  return numbers.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
}
