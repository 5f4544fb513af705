// `npm run build:cuda [-- --architectures 80,90]`: the backend of NVIDIA GPUs, build/cuda/libtransfusion_cuda.so, and in a
// checkout the simulated driver of its tests. Without `--architectures` with PTX alone, which the driver compiles.
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pathToFileURL } from 'node:url'
import { findNvcc } from './toolkit.mjs'
import { Failure, main, root, run, stage } from '../run.mjs'
import { setUp } from '../setup.mjs'

const folder = join(root, 'build/cuda')

/** Builds both libraries; `architectures`: compute capabilities to bring machine code for, as 80. */
export function buildCuda({ architectures = [], werror = false } = {}) {
  const nvcc = findNvcc()
  if (!nvcc)
    throw new Failure(
      'no-nvcc',
      'there is no nvcc in CUDACXX, CUDA_HOME or PATH: `npm run setup:cuda` brings one',
    )
  run('cmake', [
    '-S',
    '.',
    '-B',
    folder,
    '-G',
    'Ninja',
    '-DTRANSFUSION_CUDA=ON',
    `-DTRANSFUSION_NVCC=${nvcc}`,
    `-DTRANSFUSION_CUDA_ARCHITECTURES=${architectures.join(';')}`,
    `-DTRANSFUSION_WERROR=${werror ? 'ON' : 'OFF'}`,
  ])
  const targets = ['transfusion_cuda']
  if (existsSync(join(root, 'test/simulated-driver/CMakeLists.txt'))) targets.push('simulated_cuda')
  run('cmake', ['--build', folder, '--parallel', String(availableParallelism()), '--target', ...targets])
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  main(() => {
    const { values } = parseArgs({ options: { architectures: { type: 'string' } } })
    setUp('build')
    stage('CUDA build', () => buildCuda({ architectures: values.architectures?.split(',') }))
  })
}
