// `npm run demo`: set-up with the data set, build, demo. Arguments go to `transfusion demo`.
import { spawn } from 'node:child_process'
import { buildNative, buildTypeScript } from './build.mjs'
import { main, root, stage } from './run.mjs'
import { setUp } from './setup.mjs'

main(() => {
  setUp('demo')
  stage('Native build', buildNative)
  stage('TypeScript build', buildTypeScript)
  const demo = spawn(process.execPath, ['dist/cli/main.js', 'demo', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  })
  // Ctrl-C reaches the whole process group: the demo ends in its own way, and then this script.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => demo.kill('SIGTERM'))
  demo.on('exit', (code) => (process.exitCode = code ?? 1))
})
