// The licences of libraries that a package ships, from what Debian keeps beside them.
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Failure, capture } from './run.mjs'

const commonLicences = '/usr/share/common-licenses'

/**
 * Copies the licences of libraries, given by their paths, into a folder, with the full text of each that they name
 * by its place on a Debian system. Returns for each library its Debian package, source package and version.
 */
export function gatherLicences(paths, folder) {
  mkdirSync(folder, { recursive: true })
  return paths.map((path) => {
    const origin = originOf(path)
    const text = `/usr/share/doc/${origin.package}/copyright`
    if (!existsSync(text))
      throw new Failure('a-licence-is-missing', `the licence of ${basename(path)} is not in ${text}`)
    copyFileSync(text, join(folder, `${origin.package}.txt`))
    copyCommonLicences(readFileSync(text, 'utf8'), folder)
    return origin
  })
}

/** The Debian package that brought a file. */
function originOf(path) {
  // By name alone: before and after the merge of /lib into /usr/lib the packages' lists differ from what is on disk.
  const name = capture('dpkg-query', ['--search', `*/${basename(path)}`]).split(':', 1)[0]
  const format = '${Package} ${source:Package} ${source:Version}\\n'
  const shown = capture('dpkg-query', ['--show', `--showformat=${format}`, name])
  const [packageName, source, version] = shown.split('\n', 1)[0].split(' ')
  return { package: packageName, source, version }
}

function copyCommonLicences(text, folder) {
  for (const [, name] of text.matchAll(/\/usr\/share\/common-licenses\/([\w.-]*\w)/g)) {
    copyFileSync(join(commonLicences, name), join(folder, `${name}.txt`))
  }
}
