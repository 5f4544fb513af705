import { execFileSync, spawn } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { makeCaptionTokenizer } from '../../../../lib/tokenizer/caption_tokenizer.js'
import { objectiveSchema } from '../../../../lib/diffusion/objective.js'
import { loadModel, saveModel } from '../../../../lib/models/transfusion/io/folder.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { perturbedNetwork } from '../tiny_model.js'

const script = fileURLToPath(new URL('killed_saving.mjs', import.meta.url))
const kills = 8

/** Saves models from number `first` on, and is killed after some milliseconds; resolves with the last that was reported. */
async function saveUntilKilled(folder: string, first: number, milliseconds: number): Promise<number> {
  const child = spawn(process.execPath, [script, folder, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output === '') setTimeout(() => child.kill('SIGKILL'), milliseconds)
    output += text
  })
  await new Promise((resolve) => child.on('close', resolve))
  return Number(output.trimEnd().split('\n').at(-1))
}

it(`is whole after each of ${kills} kills at random moments of saving`, async () => {
  const folder = join(await temporaryFolder(), 'model')
  let last = 0
  for (let i = 0; i < kills; i++) {
    const reported = await saveUntilKilled(folder, last + 1, Math.random() * 40)
    const { network, objective } = await loadModel(folder)
    for (const parameter of network.arena.parameters) {
      using values = network.arena.valuesOf(parameter)
      expect(new Set(await values.readFloats())).toEqual(new Set([objective.snrLimit]))
    }
    network[Symbol.dispose]()
    expect(objective.snrLimit).toBeGreaterThanOrEqual(reported)
    expect(objective.snrLimit).toBeLessThanOrEqual(reported + 1)
    last = objective.snrLimit
  }
  expect(last).toBeGreaterThanOrEqual(kills)
})

const tokenizer = makeCaptionTokenizer(['a b c d e f g'])
const objective = objectiveSchema.parse({})

it('loses nothing on a full disk, and says what it needs', async ({ skip }) => {
  const disk = await temporaryFolder()
  const reason = mountDisk(disk, '160k')
  skip(reason !== undefined, `no file system of its own: ${reason}`)
  const folder = join(disk, 'model')
  using network = await perturbedNetwork()
  const parts = { network, tokenizer, objective }
  await saveModel(folder, parts)
  const before = await network.arena.values.readFloats()
  const { size } = await stat(join(folder, 'model.safetensors'))

  using other = await perturbedNetwork(undefined, 'f32', 2)
  await expect(saveModel(folder, { ...parts, network: other })).rejects.toThrow(
    new RegExp(
      `model\\.safetensors: no space is left to write it \\(${size} bytes are needed, \\d+ are free\\)`,
    ),
  )
  expect((await readdir(folder)).toSorted()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json'])
  using loaded = (await loadModel(folder)).network
  expect(await loaded.arena.values.readFloats()).toEqual(before)
  // In half the space it fits.
  await saveModel(folder, { ...parts, network: other }, 'bf16')
})

/** Mounts a disk of a few bytes; returns why it cannot be done. */
function mountDisk(folder: string, size: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', folder], { stdio: 'pipe' })
  } catch (error) {
    return (error as Error).message
  }
  onTestFinished(() => void execFileSync('umount', [folder]))
  return undefined
}
