// `npm run test:cuda`: builds the CUDA backend and runs it on the simulated driver, which needs no GPU: the tests of ops
// and of what is special to it. Arguments go to vitest.
import { buildNative, buildTypeScript } from '../build.mjs'
import { buildCuda } from './build.mjs'
import { setUpCuda } from './toolkit.mjs'
import { main, runTool, stage } from '../run.mjs'
import { setUp } from '../setup.mjs'

main(() => {
  setUp('test')
  stage('CUDA toolkit', setUpCuda)
  stage('Native build', () => buildNative({ werror: true }))
  stage('TypeScript build', buildTypeScript)
  stage('CUDA build', () => buildCuda({ werror: true, simulator: true }))
  stage('Tests on the simulated driver', () =>
    runTool('vitest/vitest.mjs', ['run', '--config', 'vitest.cuda.config.ts', ...process.argv.slice(2)]),
  )
})
