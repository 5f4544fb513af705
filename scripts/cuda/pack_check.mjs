// `npm run pack:check [-- --architectures 90] [--out FILE]`: everything that check:gpu runs, built, with Node itself, in one archive for
// a machine that has a GPU but no network, no Node and nothing to build with. There:
//   tar xJf check-gpu.tar.xz && cd check-gpu && ./check-gpu --slice kernels
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { addonPath, buildNative, buildTypeScript } from '../build.mjs'
import { capture, main, root, run, stage } from '../run.mjs'
import { setUp } from '../setup.mjs'
import { gatherLibraries } from '../shared-libraries.mjs'
import { buildCuda, cudaArchitectures } from './build.mjs'

const cudaFolder = join(root, 'build/cuda')
const built = ['check_gpu', 'libtransfusion_cuda.so', 'libsimulated_cuda.so']
/** What the programs are made of, and what they read. */
const sources = ['bench', 'cuda/REPORT.md', 'dist', 'package.json', 'package-lock.json', 'scripts']

/** The npm packages that the library runs with, without binaries for other systems. */
function copyPackages(folder) {
  const paths = capture('npm', ['ls', '--omit=dev', '--all', '--parseable']).trim().split('\n').slice(1)
  const foreign = /tokenizers\.(?!linux-x64-gnu).*\.node$/
  for (const path of paths) {
    const target = join(folder, relative(root, path))
    cpSync(path, target, { recursive: true, filter: (file) => !foreign.test(file) })
  }
}

function fill(folder) {
  for (const path of sources) cpSync(join(root, path), join(folder, path), { recursive: true })
  mkdirSync(join(folder, 'build/Release'), { recursive: true })
  gatherLibraries(addonPath, join(folder, 'build/Release'))
  mkdirSync(join(folder, 'build/cuda'))
  for (const name of built) copyFileSync(join(cudaFolder, name), join(folder, 'build/cuda', name))
  copyPackages(folder)
  const node = join(folder, 'node')
  copyFileSync(process.execPath, node)
  run('strip', [node])
  // Whose package it is: the command takes builds as they are, for the sources of native parts are not here.
  const command = join(folder, 'check-gpu')
  writeFileSync(
    command,
    '#!/bin/sh\ncd "$(dirname "$0")" && exec ./node scripts/cuda/check_gpu.mjs --no-build "$@"\n',
  )
  chmodSync(command, 0o755)
}

main(() => {
  const { values } = parseArgs({
    options: {
      architectures: { type: 'string', default: cudaArchitectures.join() },
      out: { type: 'string', default: join(root, 'build/packages/check-gpu.tar.xz') },
    },
  })
  setUp('pack')
  stage('Native build', buildNative)
  stage('TypeScript build', buildTypeScript)
  stage('CUDA build', () => buildCuda({ architectures: values.architectures.split(','), simulator: true }))
  const out = resolve(values.out)
  const parent = mkdtempSync(join(tmpdir(), 'check-gpu-'))
  try {
    const folder = join(parent, 'check-gpu')
    mkdirSync(folder)
    stage('Files', () => fill(folder))
    mkdirSync(dirname(out), { recursive: true })
    const env = { ...process.env, XZ_OPT: '-T0' }
    stage('Archive', () => run('tar', ['cJf', out, '-C', parent, 'check-gpu'], { env }))
  } finally {
    rmSync(parent, { recursive: true })
  }
  console.log(`${out}: ${(statSync(out).size / 1e6).toFixed(0)} MB`)
})
