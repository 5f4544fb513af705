import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { beforeEach, expect, it } from 'vitest'
import { command, jsonLines } from './command.js'
import { scriptedFolder } from './scripted_folder.js'

let folder: string

beforeEach(async () => {
  folder = await scriptedFolder()
  for (const [i, [width, height]] of [
    [300, 200],
    [6, 4],
    [1, 50],
  ].entries())
    await sharp({ create: { width: width!, height: height!, channels: 3, background: 'teal' } })
      .toFormat('jpeg')
      .toFile(join(folder, `${i}.jpg`))
})

const caption = (...args: string[]) => command(['caption', 'model', ...args], { cwd: folder })

it('writes a line for each image, of whatever size, in their order', async () => {
  const names = Array.from({ length: 40 }, (_, i) => `${i % 3}.jpg`)
  expect(await caption(...names)).toEqual({
    code: 0,
    stdout: names.map((name) => `${name}\tc d e f\n`).join(''),
    stderr: '',
  })
  expect((await caption('1.jpg', '--max-tokens', '2')).stdout).toBe('1.jpg\tc d\n')
})

it('names files that it cannot read, describes the others, and says so in its exit code', async () => {
  await writeFile(join(folder, 'broken.png'), 'not a picture')
  const { code, stdout, stderr } = await caption('0.jpg', 'broken.png', 'missing.png', '2.jpg')
  expect({ code, stdout }).toEqual({ code: 1, stdout: '0.jpg\tc d e f\n2.jpg\tc d e f\n' })
  expect(stderr).toMatch(
    /^transfusion: broken\.png: .*\ntransfusion: missing\.png: .*\ntransfusion: 2 of 4 images could not be read; see above\n$/,
  )
})

it('writes JSON for scripts', async () => {
  const { code, stdout, stderr } = await caption('0.jpg', 'missing.png', '--json')
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  expect(jsonLines(stdout)).toEqual([
    { file: '0.jpg', caption: 'c d e f' },
    { file: 'missing.png', error: expect.stringMatching(/^missing\.png: cannot be read/) },
  ])
})

it('refuses options that are out of range as a whole', async () => {
  const { code, stdout, stderr } = await caption('0.jpg', '1.jpg', '--top-p', '2')
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain('topP: ')
})
