// `npm run docs`: the API reference, in build/docs. Its tools are packages of their own, in docs/api.
import { join } from 'node:path'
import { main, root, run, stage } from './run.mjs'
import { installNpmPackages } from './setup.mjs'

main(() => {
  const folder = join(root, 'docs/api')
  stage('npm packages', () => installNpmPackages())
  stage('npm packages of the reference', () => installNpmPackages(folder))
  stage('API reference', () => run(process.execPath, [join(folder, 'build.mjs')]))
})
