// `npm run test:sanitize`: the stream and the pool under ThreadSanitizer; the addon and the check executables under
// AddressSanitizer and UBSan, then the tests that reach into native code; where there is nvcc the CUDA backend and the
// simulated driver, too. Arguments go to vitest.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { buildCuda, ptxFolder } from './cuda/build.mjs'
import { findNvcc } from './cuda/toolkit.mjs'
import { Failure, main, root, run, runTool, stage } from './run.mjs'
import { setUp } from './setup.mjs'

const build = 'build/sanitize'
const folders = [
  'test/tensor',
  'test/ops',
  'test/cpu',
  'test/autograd',
  'test/reliability',
  'test/generation',
  'test/training',
  'test/models/transfusion/training',
]
const left = [
  'test/training/memory.test.ts', // AddressSanitizer keeps freed memory, so that the process grows
  'test/training/killed.test.ts', // starts dozens of processes, each minutes long here, for what is on disk
]

const cudaFolder = join(root, 'build/cuda-sanitize')
/** What ends badly, late, or on several threads. */
const cudaTests = ['ends', 'fault', 'failed_step', 'device', 'two_devices'].map(
  (name) => `test/cuda/${name}.test.ts`,
)

/** The path of a library of the compiler's own. */
function compilerLibrary(name) {
  const path = spawnSync(process.env.CXX ?? 'g++', [`-print-file-name=${name}`], {
    encoding: 'utf8',
  }).stdout.trim()
  if (!path.includes('/'))
    throw new Failure('the-compiler-brings-no-sanitizer', `the compiler brings no ${name}`)
  return path
}

function checkThreads() {
  const folder = 'build/thread'
  run('cmake', ['-S', '.', '-B', folder, '-G', 'Ninja', '-DTRANSFUSION_SANITIZE=thread'])
  for (const check of ['check_stream', 'check_device']) {
    run('cmake', ['--build', folder, '--target', check])
    run(join(root, folder, check), [], { env: { TSAN_OPTIONS: 'halt_on_error=1' } })
  }
}

main(() => {
  setUp('test')
  stage('Stream and pool under ThreadSanitizer', checkThreads)
  stage('Native build with sanitizers', () => {
    run('cmake', ['-S', '.', '-B', build, '-G', 'Ninja', '-DTRANSFUSION_SANITIZE=address,undefined'])
    run('cmake', ['--build', build, '--parallel', String(availableParallelism())])
  })
  const env = {
    // Node keeps memory until it exits, on purpose.
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  }
  const inNode = {
    ...env,
    // The runtime has to come first in a program built without it, and to find the C++ library's throw.
    LD_PRELOAD: [compilerLibrary('libasan.so'), compilerLibrary('libstdc++.so')].join(' '),
    TRANSFUSION_NATIVE: join(root, build, 'transfusion.node'),
  }
  const test = (args, more = {}) =>
    runTool('vitest/vitest.mjs', ['run', ...args], { env: { ...inNode, ...more } })
  stage('Check executables', () => run('ctest', ['--test-dir', build, '--output-on-failure'], { env }))
  stage('Tests with sanitizers', () =>
    test([
      '--project=native',
      ...folders,
      ...left.flatMap((path) => ['--exclude', path]),
      ...process.argv.slice(2),
    ]),
  )
  if (!findNvcc()) return console.log('SKIPPED: the CUDA backend with sanitizers: there is no nvcc')
  // That of `test:cuda`, too.
  stage('PTX', () => buildCuda({ target: 'ptx' }))
  stage('CUDA build with sanitizers', () =>
    buildCuda({ simulator: true, sanitize: 'address,undefined', folder: cudaFolder, ptx: ptxFolder }),
  )
  stage('Checks of the simulator', () =>
    run('ctest', ['--test-dir', cudaFolder, '--output-on-failure'], { env }),
  )
  stage('CUDA tests with sanitizers', () =>
    test(['--config', 'vitest.cuda.config.ts', ...cudaTests], {
      TRANSFUSION_CUDA_LIBRARY: join(cudaFolder, 'libtransfusion_cuda.so'),
      TRANSFUSION_CUDA_DRIVER: join(cudaFolder, 'libsimulated_cuda.so'),
    }),
  )
})
