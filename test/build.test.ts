import { execFileSync } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { temporaryFolder } from './temporary_folder.js'

const root = fileURLToPath(new URL('..', import.meta.url))

it('a build removes what was compiled of sources that are gone, and nothing else', async () => {
  const folder = await temporaryFolder()
  const kept = ['cli/run.js', 'cli/run.js.map', 'cli/run.d.ts', 'reporting/browser/page.js', 'binding.gyp']
  const gone = ['cli/walk.js', 'cli/walk.js.map', 'cli/walk.d.ts', 'old/index.js']
  const outputs = [...kept, ...gone].map((path) => join(folder, 'dist', path))
  for (const path of [...outputs, join(folder, 'lib/cli/run.ts')]) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, '')
  }
  const code = `import { removeOrphans } from './scripts/orphans.mjs'
    removeOrphans(${JSON.stringify(join(folder, 'dist'))}, ${JSON.stringify(join(folder, 'lib'))})`
  execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: root })
  const left = (await readdir(join(folder, 'dist'), { recursive: true })).filter((path) =>
    /\.\w+$/.test(path),
  )
  expect(left.toSorted()).toEqual(kept.toSorted())
})
