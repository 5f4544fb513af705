// `npm run test:cuda`: builds the CUDA backend and runs it on the simulated driver, which needs no GPU: the simulator's own
// checks, the tests of ops and of what is special to CUDA. Arguments go to vitest.
import { buildNative, buildTypeScript } from '../build.mjs'
import { buildCuda } from './build.mjs'
import { setUpCuda, setUpOracles } from './toolkit.mjs'
import { Failure, main, run, runTool, stage } from '../run.mjs'
import { setUp } from '../setup.mjs'

/** The Python with Triton; undefined where its wheels cannot be had: a check less, which says so. */
function findOracles() {
  try {
    return setUpOracles()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    console.log(`SKIPPED: the kernels of Triton as oracles of the simulator: ${error.message}`)
    return undefined
  }
}

main(() => {
  setUp('test')
  stage('CUDA toolkit', setUpCuda)
  const python = stage('Triton', findOracles)
  stage('Native build', () => buildNative({ werror: true }))
  stage('TypeScript build', buildTypeScript)
  stage('CUDA build', () => buildCuda({ werror: true, simulator: true, python }))
  stage('Checks of the simulator', () =>
    run('ctest', ['--test-dir', 'build/cuda', '--output-on-failure', '--parallel', '2']),
  )
  stage('Tests on the simulated driver', () =>
    runTool('vitest/vitest.mjs', ['run', '--config', 'vitest.cuda.config.ts', ...process.argv.slice(2)]),
  )
})
