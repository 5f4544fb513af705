// `npm run check:gpu`: builds the CUDA backend with machine code for the GPUs of this machine and runs its kernels on the first
// of them, from machine code and from PTX, against float64 references. What it finds is in bench/gpu/check.json. Arguments
// go to the program, see cuda/check/check_gpu.cc; `--driver build/cuda/libsimulated_cuda.so` needs no GPU.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { architecturesHere, buildCuda } from './build.mjs'
import { isInstalled, main, root, run, stage } from '../run.mjs'
import { setUp } from '../setup.mjs'

main(() => {
  setUp('build')
  stage('CUDA build', () => buildCuda({ architectures: architecturesHere(), simulator: !isInstalled }))
  const folder = join(root, 'bench/gpu')
  mkdirSync(folder, { recursive: true })
  stage('Kernels on the GPU', () =>
    run(join(root, 'build/cuda/check_gpu'), [
      '--output',
      join(folder, 'check.json'),
      ...process.argv.slice(2),
    ]),
  )
})
