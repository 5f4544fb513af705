// `npm run test:sanitize`: the addon and the check executables under AddressSanitizer and UBSan, then the
// tests that reach into native code. Arguments go to vitest.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Failure, main, root, run, runTool, stage } from './run.mjs'
import { setUp } from './setup.mjs'

const build = 'build/sanitize'
const folders = ['test/tensor', 'test/ops', 'test/autograd', 'test/reliability']

/** The path of a library of the compiler's own. */
function compilerLibrary(name) {
  const path = spawnSync(process.env.CXX ?? 'g++', [`-print-file-name=${name}`], {
    encoding: 'utf8',
  }).stdout.trim()
  if (!path.includes('/')) throw new Failure(`the compiler brings no ${name}`)
  return path
}

main(() => {
  setUp('test')
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
    runTool('vitest/vitest.mjs', ['run', ...folders, ...process.argv.slice(2)], {
      env: {
        ...env,
        // The runtime has to come first in a program built without it, and to find the C++ library's throw.
        LD_PRELOAD: [compilerLibrary('libasan.so'), compilerLibrary('libstdc++.so')].join(' '),
        TRANSFUSION_NATIVE: join(root, build, 'transfusion.node'),
      },
    }),
  )
})
