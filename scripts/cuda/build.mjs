// `npm run build:cuda [-- --architectures 80,90]`: the backend of NVIDIA GPUs, build/cuda/libtransfusion_cuda.so, with machine
// code for the GPUs of this machine, or for those given, and PTX, which the driver compiles for any other.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pathToFileURL } from 'node:url'
import { findNvcc } from './toolkit.mjs'
import { Failure, main, root, run, stage } from '../run.mjs'
import { setUp } from '../setup.mjs'

const cudaFolder = join(root, 'build/cuda')
/** Where a build without a folder of its own has its PTX. */
export const ptxFolder = join(cudaFolder, 'images')

/** Compute capabilities, times ten, of the GPUs that packages bring machine code for. */
export const cudaArchitectures = [80, 86, 89, 90, 100, 120]

/** The GPUs of this machine, as above. */
export function architecturesHere() {
  const query = ['--query-gpu=compute_cap', '--format=csv,noheader']
  const { status, stdout } = spawnSync('nvidia-smi', query, { encoding: 'utf8' })
  if (status !== 0) return []
  return [...new Set(stdout.trim().split('\n'))].map((capability) => Number(capability.replace('.', '')))
}

/**
 * Builds the backend, and for tests the simulated driver. `architectures`: as above; `python`: one that has Triton;
 * `sanitize`: sanitizers; `lineInfo`: with the lines of the sources; others than the usual belong in a `folder` of their own,
 * which may take its PTX from that of another (`ptx`). `target`: a part of it all.
 */
export function buildCuda({
  architectures = [],
  werror = false,
  simulator = false,
  python,
  sanitize = '',
  lineInfo = true,
  folder = cudaFolder,
  ptx = '',
  target = 'all',
} = {}) {
  const nvcc = findNvcc()
  if (!nvcc)
    throw new Failure(
      'no-nvcc',
      'there is no nvcc in CUDACXX, CUDA_HOME or PATH: `npm run setup:cuda` brings one',
    )
  run('cmake', [
    '-S',
    'cuda',
    '-B',
    folder,
    '-G',
    'Ninja',
    // Once a folder has it, it stays up to date.
    ...(simulator ? ['-DTRANSFUSION_SIMULATOR=ON'] : []),
    `-DTRANSFUSION_NVCC=${nvcc}`,
    `-DTRANSFUSION_CUDA_ARCHITECTURES=${architectures.join(';')}`,
    `-DTRANSFUSION_WERROR=${werror ? 'ON' : 'OFF'}`,
    `-DTRANSFUSION_SANITIZE=${sanitize}`,
    `-DTRANSFUSION_LINE_INFO=${lineInfo ? 'ON' : 'OFF'}`,
    `-DTRANSFUSION_PTX=${ptx}`,
    ...(python ? [`-DTRANSFUSION_TRITON_PYTHON=${python}`] : []),
  ])
  run('cmake', ['--build', folder, '--target', target, '--parallel', String(availableParallelism())])
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  main(() => {
    const { values } = parseArgs({ options: { architectures: { type: 'string' } } })
    setUp('build')
    const architectures = values.architectures?.split(',') ?? architecturesHere()
    stage('CUDA build', () => buildCuda({ architectures }))
  })
}
