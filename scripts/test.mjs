// `npm test`: set-up, formatting, lint, types, a build without warnings, tests. Arguments go to vitest.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildNative, buildTypeScript } from './build.mjs'
import { main, root, run, runTool, stage } from './run.mjs'
import { setUp } from './setup.mjs'

const sourcesOf = (folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((path) => /\.(cc|h|cu|cuh)$/.test(path))
    .map((path) => join(folder, path))

main(() => {
  setUp('test')
  stage('Formatting', () => {
    runTool('prettier/bin/prettier.cjs', ['--check', '--log-level=warn', '.'])
    run('clang-format', ['--dry-run', '--Werror', ...['native', 'cuda', 'test'].flatMap(sourcesOf)])
  })
  stage('Kernel types', () => run(process.execPath, ['scripts/generate-kernels.mjs', '--check']))
  stage('Lint', () => runTool('oxlint/bin/oxlint', ['--deny-warnings', '--quiet']))
  stage('Types', () => runTool('typescript/bin/tsc', ['--project', 'tsconfig.test.json']))
  stage('Native build', () => buildNative({ werror: true }))
  stage('TypeScript build', buildTypeScript)
  stage('Reference of configs', () => run(process.execPath, ['scripts/generate-config.mjs', '--check']))
  stage('Tests', () => runTool('vitest/vitest.mjs', ['run', ...process.argv.slice(2)]))
})
