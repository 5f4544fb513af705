import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A new folder, by default among the system's temporary ones, that is removed when the test that asks for it ends. */
export async function temporaryFolder(parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, 'transfusion-js-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
