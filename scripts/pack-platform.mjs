// `npm run pack:platform [-- --cuda] [-- --out FOLDER]`: the package with the addon and its libraries for this platform, or
// with the backend of NVIDIA GPUs, as a file to install beside transfusion-js where there is no compiler. docs/packaging.md
// says how.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { addonPath, buildNative } from './build.mjs'
import { buildCuda, cudaArchitectures } from './cuda/build.mjs'
import { gatherLicences } from './licences.mjs'
import { Failure, capture, main, root, run, stage } from './run.mjs'
import { setUp } from './setup.mjs'
import { gatherLibraries } from './shared-libraries.mjs'

const platform = `${process.platform}-${process.arch}`
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

const cudaFolder = join(root, 'build/cuda-package')

/** The packages that can be made. */
const packages = {
  cpu: {
    name: `@transfusion-js/${platform}`,
    title: 'The native addon',
    binary: addonPath,
    build: buildNative,
    use: `Kernels are chosen when it is loaded, by what the processor can do.

Install it with transfusion-js of the same version. \`require('transfusion-js')\` finds it.`,
    // It has to load from where it is, whatever this machine has installed.
    check: (folder) => run(process.execPath, ['--eval', `require(${JSON.stringify(folder)})`]),
  },
  cuda: {
    name: `@transfusion-js/${platform}-cuda`,
    title: 'The backend of NVIDIA GPUs',
    binary: join(cudaFolder, 'libtransfusion_cuda.so'),
    build: () => buildCuda({ architectures: cudaArchitectures, lineInfo: false, folder: cudaFolder }),
    use: `It loads NVIDIA's driver, of CUDA 12.0 (525) or newer, when a device 'cuda' is first
asked for, and has machine code for GPUs of compute capability ${cudaArchitectures.map((number) => (number / 10).toFixed(1)).join(', ')}; newer ones compile its PTX.

Install it with transfusion-js and @transfusion-js/${platform} of the same version.`,
  },
}

/** Fills a folder with a package. */
function fill(folder, { name, title, binary, use }) {
  const { libraries, glibc, glibcxx } = gatherLibraries(binary, folder)
  const licences = join(folder, 'licences')
  const origins = gatherLicences(
    libraries.map(({ path }) => path),
    licences,
  )
  const addonApi = createRequire(import.meta.url).resolve('node-addon-api/package.json')
  if (binary === addonPath)
    copyFileSync(join(dirname(addonApi), 'LICENSE.md'), join(licences, 'node-addon-api.md'))
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))

  const manifest = {
    name,
    version,
    description: `${title} of transfusion-js for ${platform} with glibc`,
    license: 'SEE LICENSE IN README.md',
    os: [process.platform],
    cpu: [process.arch],
    libc: ['glibc'],
    engines,
    main: basename(binary),
    // Files that link to one another do not load out of an archive.
    preferUnplugged: true,
  }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  const shipped = libraries.map((library, i) => ({ ...library, origin: origins[i] }))
  const readme = `# ${name}

${title} of transfusion-js ${version} for ${platform}. Of the system it needs glibc ${glibc} or newer and a libstdc++ with
GLIBCXX_${glibcxx}. ${use}

${contents(binary, shipped)}`
  writeFileSync(join(folder, 'README.md'), readme)
}

function contents(binary, libraries) {
  const own = `transfusion-js ${version}${binary === addonPath ? ', node-addon-api' : ''}`
  const licence = `${license}: LICENSE${binary === addonPath ? ', licences/node-addon-api.md' : ''}`
  const rows = libraries.map(({ name, origin }) => {
    const from = `Debian's ${origin.package}, source package ${origin.source} ${origin.version}`
    return `| ${name} | ${from} | licences/${origin.package}.txt |\n`
  })
  const table = `| file | from | licence |
| --- | --- | --- |
| ${basename(binary)} | ${own} | ${licence} |
${rows.join('')}`
  if (libraries.length === 0) return table
  return `${table}
The libraries are Debian's, changed only in where they look for one another (RUNPATH $ORIGIN). Their sources are at
https://snapshot.debian.org under the names and versions above. Texts that a licence names by its place on a Debian
system (/usr/share/common-licenses) are in licences/ under the same names.
`
}

main(() => {
  const { out, cuda } = parseArgs({
    options: {
      out: { type: 'string', default: 'build/packages' },
      cuda: { type: 'boolean', default: false },
    },
  }).values
  const target = resolve(root, out)
  const wanted = packages[cuda ? 'cuda' : 'cpu']
  checkPlatform()
  setUp('pack')
  stage('Native build', wanted.build)
  stage('Platform package', () => {
    const folder = mkdtempSync(join(tmpdir(), 'transfusion-js-pack-'))
    try {
      fill(folder, wanted)
      wanted.check?.(folder)
      mkdirSync(target, { recursive: true })
      const file = capture('npm', ['pack', '--silent', '--pack-destination', target], { cwd: folder }).trim()
      const size = (statSync(join(target, file)).size / 2 ** 20).toFixed(1)
      console.log(`${join(target, file)}: ${size} MiB, for transfusion-js ${version}`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
