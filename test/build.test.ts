import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { temporaryFolder } from './temporary_folder.js'

const root = fileURLToPath(new URL('..', import.meta.url))

it('a build replaces what has changed, removes what was made of sources that are gone, and touches nothing else', async () => {
  const folder = await temporaryFolder()
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  await write('dist/cli/same.js', 'a')
  await write('dist/cli/changed.js', 'b')
  await write('dist/gone.js', 'c')
  await write('dist/old/gone.js', 'd')
  const before = await stat(join(folder, 'dist/cli/same.js'))
  await write('fresh/cli/same.js', 'a')
  await write('fresh/cli/changed.js', 'B')
  await write('fresh/new/added.js', 'e')
  const code = `import { updateFolder } from './scripts/update_folder.mjs'
    updateFolder(${JSON.stringify(join(folder, 'dist'))}, ${JSON.stringify(join(folder, 'fresh'))})`
  execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: root })

  const files = (await readdir(join(folder, 'dist'), { recursive: true })).filter((path) =>
    path.endsWith('.js'),
  )
  expect(files.toSorted()).toEqual(['cli/changed.js', 'cli/same.js', 'new/added.js'])
  expect(await readFile(join(folder, 'dist/cli/changed.js'), 'utf8')).toBe('B')
  const { ino, mtimeMs } = await stat(join(folder, 'dist/cli/same.js'))
  expect({ ino, mtimeMs }).toEqual({ ino: before.ino, mtimeMs: before.mtimeMs })
})

it('a build where nothing has changed touches no file of dist/: other processes may be loading them', async () => {
  const dist = join(root, 'dist')
  const states = async () => {
    const paths = (await readdir(dist, { recursive: true })).toSorted()
    return Promise.all(paths.map(async (path) => ({ path, ...pick(await stat(join(dist, path))) })))
  }
  const pick = ({ ino, mtimeMs, size }: { ino: number; mtimeMs: number; size: number }) => ({
    ino,
    mtimeMs,
    size,
  })
  const before = await states()
  execFileSync(process.execPath, ['scripts/build.mjs', 'ts'], { cwd: root })
  expect(await states()).toEqual(before)
})
