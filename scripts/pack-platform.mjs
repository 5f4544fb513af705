// `npm run pack:platform [-- --out FOLDER]`: the package with the addon and its libraries for this platform, as a
// file to install beside transfusion-js where there is no compiler. docs/packaging.md says how.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { addonPath, buildNative } from './build.mjs'
import { gatherLicences } from './licences.mjs'
import { Failure, capture, main, root, run, stage } from './run.mjs'
import { setUp } from './setup.mjs'
import { gatherLibraries } from './shared-libraries.mjs'

const platform = `${process.platform}-${process.arch}`
const name = `@transfusion-js/${platform}`
const { version, license, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

function checkPlatform() {
  const glibc = process.report.getReport().header.glibcVersionRuntime
  if (process.platform !== 'linux' || glibc === undefined) {
    throw new Failure(
      'pack-platform-on-another-system',
      `pack:platform makes packages for Linux with glibc, this is ${platform}`,
    )
  }
}

/** Fills a folder with the package. */
function fill(folder) {
  const { libraries, glibc, glibcxx } = gatherLibraries(addonPath, folder)
  const licences = join(folder, 'licences')
  const origins = gatherLicences(
    libraries.map(({ path }) => path),
    licences,
  )
  const addonApi = createRequire(import.meta.url).resolve('node-addon-api/package.json')
  copyFileSync(join(dirname(addonApi), 'LICENSE.md'), join(licences, 'node-addon-api.md'))
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))

  const manifest = {
    name,
    version,
    description: `The native addon of transfusion-js for ${platform} with glibc`,
    license: 'SEE LICENSE IN README.md',
    os: [process.platform],
    cpu: [process.arch],
    libc: ['glibc'],
    engines,
    main: 'transfusion.node',
    // Files that link to one another do not load out of an archive.
    preferUnplugged: true,
  }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  const shipped = libraries.map((library, i) => ({ ...library, origin: origins[i] }))
  writeFileSync(join(folder, 'README.md'), readme(shipped, glibc, glibcxx))
}

const readme = (libraries, glibc, glibcxx) => `# ${name}

The native addon of transfusion-js ${version} for ${platform}, with the libraries it needs beside it. It needs glibc ${glibc}
or newer and a libstdc++ with GLIBCXX_${glibcxx}, and nothing else of the system. Kernels are chosen when it is loaded, by
what the processor can do.

Install it with transfusion-js of the same version. \`require('transfusion-js')\` finds it.

| file | from | licence |
| --- | --- | --- |
| transfusion.node | transfusion-js ${version}, node-addon-api | ${license}: LICENSE, licences/node-addon-api.md |
${libraries
  .map(({ name: file, origin }) => {
    const from = `Debian's ${origin.package}, source package ${origin.source} ${origin.version}`
    return `| ${file} | ${from} | licences/${origin.package}.txt |\n`
  })
  .join('')}
The libraries are Debian's, changed only in where they look for one another (RUNPATH $ORIGIN). Their sources are at
https://snapshot.debian.org under the names and versions above. Texts that a licence names by its place on a Debian
system (/usr/share/common-licenses) are in licences/ under the same names.
`

main(() => {
  const { out } = parseArgs({ options: { out: { type: 'string', default: 'build/packages' } } }).values
  const target = resolve(root, out)
  checkPlatform()
  setUp('pack')
  stage('Native build', buildNative)
  stage('Platform package', () => {
    const folder = mkdtempSync(join(tmpdir(), 'transfusion-js-pack-'))
    try {
      fill(folder)
      // It has to load from where it is, whatever this machine has installed.
      run(process.execPath, ['--eval', `require(${JSON.stringify(folder)})`])
      mkdirSync(target, { recursive: true })
      const file = capture('npm', ['pack', '--silent', '--pack-destination', target], { cwd: folder }).trim()
      const size = (statSync(join(target, file)).size / 2 ** 20).toFixed(1)
      console.log(`${join(target, file)}: ${size} MiB, for transfusion-js ${version}`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
