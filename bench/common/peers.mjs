// PyTorch beside us: programs of bench/peers in a Python environment of their own, outside of the repository.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startSubject } from './subject.mjs'

const folder = fileURLToPath(new URL('../peers', import.meta.url))
const environment = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'transfusion-js/peers')
const python = join(environment, 'bin/python')
/** A copy of the requirements that are installed. */
const installed = join(environment, 'requirements.txt')

/** Installs what bench/peers needs, 3 GB, unless it is there. Takes a python3 with venv. */
export function installPeers() {
  const requirements = join(folder, 'requirements.txt')
  const wanted = readFileSync(requirements, 'utf8')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === wanted) return
  console.log(`installing ${wanted.trim().replaceAll('\n', ', ')} into ${environment}`)
  mkdirSync(environment, { recursive: true })
  const inherit = { stdio: ['ignore', 'inherit', 'inherit'] }
  execFileSync('python3', ['-m', 'venv', environment], inherit)
  execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--requirement', requirements], inherit)
  writeFileSync(installed, wanted)
}

/** Starts bench/peers/NAME.py as a subject, in the environment above or with another Python. */
export function startPeer(name, options, program = python) {
  // Settings for another OpenBLAS than PyTorch's.
  const { OPENBLAS_CORETYPE: _type, OPENBLAS_L2_SIZE: _size, ...env } = process.env
  return startSubject(program, [join(folder, `${name}.py`)], options, env)
}
