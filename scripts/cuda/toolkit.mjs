// Finds nvcc, or brings it: `npm run setup:cuda` installs the pinned wheels of cuda/requirements.txt into a Python
// environment of this checkout.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Failure, main, root, run, stage } from '../run.mjs'

const environment = join(root, '.cache/cuda')
const requirements = join(root, 'cuda/requirements.txt')
const installed = join(environment, 'installed.txt')

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

/** Installs the wheels, unless there is an nvcc already. */
export function setUpCuda() {
  const found = findNvcc()
  const wanted = readFileSync(requirements, 'utf8')
  const current = existsSync(installed) && readFileSync(installed, 'utf8') === wanted
  if (found && (current || !found.startsWith(environment))) return console.log(`nvcc: ${found}`)
  run('python3', ['-m', 'venv', environment])
  run(join(environment, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', '-r', requirements])
  writeFileSync(installed, wanted)
  console.log(`nvcc: ${findNvcc()}`)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => stage('CUDA toolkit', setUpCuda))
