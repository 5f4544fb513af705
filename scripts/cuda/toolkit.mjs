// Finds nvcc, or brings it: `npm run setup:cuda` installs the pinned wheels of cuda/requirements.txt into a Python
// environment of this checkout.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Failure, main, root, run, stage } from '../run.mjs'

const environment = join(root, '.cache/cuda')
const oracles = join(root, '.cache/cuda-oracles')

/** Where wheels put nvcc. */
function wheelsNvcc() {
  const lib = join(environment, 'lib')
  if (!existsSync(lib)) return undefined
  return readdirSync(lib)
    .map((python) => join(lib, python, 'site-packages/nvidia/cu13/bin/nvcc'))
    .find(existsSync)
}

/** The path of nvcc: of CUDACXX, CUDA_HOME, PATH, or the Python environment of this checkout; undefined without one. */
export function findNvcc() {
  const { CUDACXX, CUDA_HOME, PATH = '' } = process.env
  if (CUDACXX) {
    if (!existsSync(CUDACXX)) throw new Failure('no-nvcc', `CUDACXX: there is no file ${CUDACXX}`)
    return CUDACXX
  }
  const folders = [...(CUDA_HOME ? [join(CUDA_HOME, 'bin')] : []), ...PATH.split(delimiter)]
  return folders.map((folder) => join(folder, 'nvcc')).find(existsSync) ?? wheelsNvcc()
}

/** Installs what a file asks for into a Python environment, unless it is there. */
function installWheels(folder, requirements) {
  const wanted = readFileSync(join(root, requirements), 'utf8')
  const installed = join(folder, 'installed.txt')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === wanted) return
  run('python3', ['-m', 'venv', folder])
  run(join(folder, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', '-r', requirements])
  writeFileSync(installed, wanted)
}

/** Installs the wheels, unless there is an nvcc already. */
export function setUpCuda() {
  const found = findNvcc()
  if (!found || found.startsWith(environment)) installWheels(environment, 'cuda/requirements.txt')
  console.log(`nvcc: ${findNvcc()}`)
}

/** Installs Triton, an oracle of the simulator's tests; returns the Python that has it. */
export function setUpOracles() {
  installWheels(oracles, 'test/simulated-driver/oracles/requirements.txt')
  return join(oracles, 'bin/python')
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => stage('CUDA toolkit', setUpCuda))
