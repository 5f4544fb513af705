import { spawn } from 'node:child_process'
import { buildNative, buildTypeScript } from './build.mjs'
import { main, root, stage } from './run.mjs'
import { setUp } from './setup.mjs'

/** Set-up with the data set, build, then `transfusion NAME` with this script's arguments. */
export const runBuilt = (name) =>
  main(() => {
    setUp('demo')
    stage('Native build', buildNative)
    stage('TypeScript build', buildTypeScript)
    const command = spawn(process.execPath, ['dist/cli/main.js', name, ...process.argv.slice(2)], {
      cwd: root,
      stdio: 'inherit',
    })
    // Ctrl-C reaches the whole process group: the command ends in its own way, and then this script.
    process.on('SIGINT', () => {})
    process.on('SIGTERM', () => command.kill('SIGTERM'))
    command.on('exit', (code) => (process.exitCode = code ?? 1))
  })
