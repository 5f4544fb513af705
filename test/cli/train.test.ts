import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { train } from '../../lib/cli/train.js'
import { temporaryFolder } from '../temporary_folder.js'

/** What the command says of a config file with this text; undefined: of a file that is not there. */
async function refusal(text: string | undefined): Promise<{ path: string; message: string }> {
  const folder = await temporaryFolder()
  const path = join(folder, 'config.json')
  if (text !== undefined) await writeFile(path, text)
  const failure: unknown = await train(path, { out: join(folder, 'out') }).catch((error: unknown) => error)
  return { path, message: (failure as Error).message }
}

it('names a config file that is missing', async () => {
  const { path, message } = await refusal(undefined)
  expect(message).toBe(`${path}: no such file`)
})

it('names a config file that is not JSON', async () => {
  const { path, message } = await refusal('{"data": ')
  expect(message).toContain(`${path}: not JSON (`)
})

it('names an unknown key and the nearest right one', async () => {
  const image = { channels: 1, patch: 7, height: 28, width: 28 }
  const config = { data: { type: 'fashion-mnist' }, model: { image }, training: { steps: 1, batchsize: 2 } }
  const { path, message } = await refusal(JSON.stringify(config))
  expect(message).toBe(`${path}:\n  training.batchsize: unknown key; did you mean "batchSize"?`)
})
