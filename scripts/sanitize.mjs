// `npm run test:sanitize`: the stream and the pool under ThreadSanitizer; the addon and the check executables under
// AddressSanitizer and UBSan, then the tests that reach into native code. Arguments go to vitest.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Failure, main, root, run, runTool, stage } from './run.mjs'
import { setUp } from './setup.mjs'

const build = 'build/sanitize'
const folders = [
  'test/tensor',
  'test/ops',
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
  stage('Check executables', () => run('ctest', ['--test-dir', build, '--output-on-failure'], { env }))
  stage('Tests with sanitizers', () =>
    runTool(
      'vitest/vitest.mjs',
      [
        'run',
        '--project=native',
        ...folders,
        ...left.flatMap((path) => ['--exclude', path]),
        ...process.argv.slice(2),
      ],
      {
        env: {
          ...env,
          // The runtime has to come first in a program built without it, and to find the C++ library's throw.
          LD_PRELOAD: [compilerLibrary('libasan.so'), compilerLibrary('libstdc++.so')].join(' '),
          TRANSFUSION_NATIVE: join(root, build, 'transfusion.node'),
        },
      },
    ),
  )
})
