import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { Transfusion } from '../../lib/transfusion.js'
import { makeCaptionTokenizer } from '../../lib/tokenizer/caption_tokenizer.js'
import { temporaryFolder } from '../temporary_folder.js'
import { command } from './command.js'

let folder: string
const run = (...args: string[]) => command(args, { cwd: folder })

beforeEach(async () => {
  folder = await temporaryFolder()
  const image = { channels: 1, patch: 4, height: 8, width: 8 }
  const sizes = { layers: 2, channels: 64, heads: 2, feedForward: 128, image }
  using model = Transfusion.create(sizes, makeCaptionTokenizer(['a stripe', 'an arch']), { seed: 3 })
  await model.save(join(folder, 'model'))
})

const sizeOf = async (name: string) => (await stat(join(folder, name, 'model.safetensors'))).size

it.each(['int8', 'int4'])('writes a folder of %s that other commands read', async (weights) => {
  const { code, stdout, stderr } = await run('quantize', 'model', 'small', '--weights', weights)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(new RegExp(`^small: ${weights}, [\\d.]+ kB; model has [\\d.]+ kB\\n$`))
  expect(await sizeOf('small')).toBeLessThan(0.45 * (await sizeOf('model')))
  expect(JSON.parse(await readFile(join(folder, 'small', 'config.json'), 'utf8'))).toMatchObject({ weights })
  const options = ['a', '--max-tokens', '4', '--seed', '1', '--max-images', '0']
  const [stored, loaded] = await Promise.all([
    run('sample', 'small', ...options),
    run('sample', 'model', ...options, '--weights', weights),
  ])
  expect([stored.code, loaded.code]).toEqual([0, 0])
  expect(loaded.stdout).toBe(stored.stdout)
})

it('leaves alone what is there, and what cannot be quantised', async () => {
  const before = await readFile(join(folder, 'model', 'config.json'))
  for (const out of ['model', './model'])
    expect(await run('quantize', 'model', out)).toMatchObject({
      code: 1,
      stderr: `transfusion: ${out}: a model is there already; name a folder that is not there yet\n`,
    })
  expect(await readFile(join(folder, 'model', 'config.json'))).toEqual(before)
  expect((await run('quantize', 'model', 'small')).code).toBe(0)
  expect(await run('quantize', 'small', 'smaller', '--weights', 'int4')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^transfusion: small: its weights are quantised \(int8\) and cannot be kept as int4/,
    ),
  })
  const config = { data: { type: 'text', path: 'a.txt' }, training: { steps: 1 } }
  await writeFile(join(folder, 'train.json'), JSON.stringify(config))
  await writeFile(join(folder, 'a.txt'), 'a stripe')
  expect(await run('train', 'train.json', '--init', 'small')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('int8'),
  })
  expect(await run('sample', 'model', 'a', '--weights', 'bf16', '--precision', 'f32')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('weights of bf16 are computed with in bf16, received compute "f32"'),
  })
})
