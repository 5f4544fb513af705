import { execFile } from 'node:child_process'
import { cp, readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

it('the library has all its sources, whatever the folders above a checkout are called', async () => {
  const { findNvcc } = (await import(join(root, 'scripts/cuda/toolkit.mjs'))) as {
    findNvcc: () => string | undefined
  }
  const checkout = join(await temporaryFolder(), 'check/cuda/images/simulated-driver/test')
  for (const path of ['cuda', 'native', 'package.json'])
    await cp(join(root, path), join(checkout, path), { recursive: true })
  const build = join(checkout, 'build')
  const given = ['-S', join(checkout, 'cuda'), '-B', build, '-G', 'Ninja']
  await promisify(execFile)('cmake', [...given, `-DTRANSFUSION_NVCC=${findNvcc()}`])
  const commands = JSON.parse(await readFile(join(build, 'compile_commands.json'), 'utf8')) as {
    file: string
    command: string
  }[]
  const built = commands
    .filter(({ command }) => command.includes('transfusion_cuda.dir'))
    .map(({ file }) => relative(join(checkout, 'cuda'), file))
  const sources = (await readdir(join(root, 'cuda'), { recursive: true })).filter(
    (path) => path.endsWith('.cu') || (path.endsWith('.cc') && !path.startsWith('check/')),
  )
  expect(
    built.filter((path) => !path.startsWith('..') && !path.startsWith('images/index')).toSorted(),
  ).toEqual([...sources].toSorted())
})
