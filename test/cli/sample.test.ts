import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { beforeEach, describe, expect, it } from 'vitest'
import { writePng } from '../../lib/image/image_io.js'
import { testImage, tinyConfig } from '../models/transfusion/tiny_model.js'
import { command, type CommandOptions, jsonLines } from './command.js'
import { picture } from './half_blocks.js'
import { scriptedFolder } from './scripted_folder.js'

let folder: string

beforeEach(async () => {
  folder = await scriptedFolder()
})

const sample = (args: readonly string[], options: Partial<CommandOptions> = {}) =>
  command(['sample', 'model', '--steps', '3', ...args], { cwd: folder, ...options })

const pixels = async (file: string) => new Uint8Array(await sharp(file).toColourspace('b-w').raw().toBuffer())

describe('transfusion sample', () => {
  it('writes text to standard output and pictures into numbered files, whose names it notes', async () => {
    const first = await sample(['a', '--seed', '0'])
    expect(first).toMatchObject({ code: 0, stdout: 'b\nc d e f\n' })
    expect(first.stderr).toMatch(
      /^samples\/0001\.png\n\(5 tokens, 1 image in .*; the model ended the document\)\n$/,
    )
    const { width, height } = await sharp(join(folder, 'samples', '0001.png')).metadata()
    expect([width, height]).toEqual([tinyConfig.image.width, tinyConfig.image.height])
    expect((await sample(['a', '--seed', '1'])).stderr).toMatch(/^samples\/0002\.png\n/)
    expect(await readdir(join(folder, 'samples'))).toEqual(['0001.png', '0002.png'])
  })

  it('writes one JSON object for each event, and nothing else', async () => {
    const { code, stdout, stderr } = await sample([
      'a',
      '--seed',
      '0',
      '--json',
      '--preview-every',
      '2',
      '--out',
      'made',
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const events = jsonLines(stdout)
    const size = { width: 6, height: 4 }
    expect(events.filter(({ type }) => type !== 'text')).toEqual([
      { seed: 0, type: 'image-start', index: 0, ...size, steps: 3 },
      {
        seed: 0,
        type: 'preview',
        index: 0,
        step: 2,
        steps: 3,
        file: join('made', '0001-step-0002.png'),
        ...size,
      },
      { seed: 0, type: 'image', index: 0, file: join('made', '0001.png'), ...size },
      {
        seed: 0,
        type: 'done',
        reason: 'end',
        usage: expect.objectContaining({ promptTokens: 1, textTokens: 5, images: 1 }),
        timings: expect.objectContaining({ total: expect.any(Number) }),
      },
    ])
    const texts = events.filter(({ type }) => type === 'text').map(({ text }) => text)
    expect(texts.join('')).toBe('bc d e f')
    expect(await readdir(join(folder, 'made'))).toEqual(['0001-step-0002.png', '0001.png'])
  })

  it('names the words that the tokenizer does not know', async () => {
    const { code, stdout, stderr } = await sample([
      'a zebra, zebra',
      '--json',
      '--max-images',
      '0',
      '--max-tokens',
      '1',
    ])
    expect(code).toBe(0)
    expect(stderr).toBe(
      `transfusion: the model's tokenizer does not know "zebra,", "zebra": it reads each as the same unknown word\n`,
    )
    expect(jsonLines(stdout).at(-1)!['usage']).toMatchObject({ promptTokens: 4, unknownTokens: 3 })
  })

  it('takes text and images in any order: joined words, @FILE and @@', async () => {
    await writePng(join(folder, 'c.png'), testImage(40, 80, 1))
    const { code, stdout } = await sample(['a', 'b', '@c.png', 'c', 'd', '--json'])
    expect(code).toBe(0)
    const done = jsonLines(stdout).at(-1)!
    expect(done['usage']).toMatchObject({ promptTokens: 4, promptImages: 1 })
    // A word that the tokenizer does not know, but no file.
    expect((await sample(['@@a', '--max-tokens', '1', '--max-images', '0'])).code).toBe(0)
    expect(await sample(['@missing.png'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^transfusion: missing\.png: cannot be read as an image/),
    })
  })

  it('gives answers from consecutive seeds, each as if it were alone', async () => {
    const options = ['a', '--temperature', '1', '--steps', '4', '--seed', '7']
    const together = await sample([...options, '--count', '3', '--json'])
    expect(together.code).toBe(0)
    const events = jsonLines(together.stdout)
    for (const seed of [7, 8, 9]) {
      const of = (type: string) => events.filter((event) => event['seed'] === seed && event['type'] === type)
      const alone = await sample([...options, '--seed', String(seed), '--json', '--out', `alone-${seed}`])
      const expected = jsonLines(alone.stdout)
      const textOf = (list: typeof events) => list.map(({ text }) => text ?? '').join('')
      expect(textOf(of('text'))).toBe(textOf(expected))
      const files = expected.filter(({ type }) => type === 'image').map(({ file }) => file as string)
      expect(of('image')).toHaveLength(files.length)
      for (const [i, file] of files.entries()) {
        const [a, b] = [
          await pixels(join(folder, file)),
          await pixels(join(folder, of('image')[i]!['file'] as string)),
        ]
        expect(a.every((value, k) => Math.abs(value - b[k]!) <= 1)).toBe(true)
      }
    }
    const shown = await sample(['a', '--count', '2', '--seed', '0'])
    expect(shown.stdout).toBe('b\nc d e f\nb\nc d e f\n')
    expect(shown.stderr).toMatch(/^seed 0:\n.*\n.*\nseed 1:\n/)
  })

  it('draws a seed where none is given, and shows it, so that the picture can be drawn again', async () => {
    const drawn = await Promise.all(['one', 'two'].map((out) => sample(['a', '--out', out])))
    const seeds = drawn.map(({ stderr }) => /^seed (\d+):\n/.exec(stderr)![1]!)
    expect(seeds[0]).not.toBe(seeds[1])
    expect((await sample(['a', '--out', 'again', '--seed', seeds[0]!])).code).toBe(0)
    const [one, two, again] = await Promise.all(
      ['one', 'two', 'again'].map((out) => pixels(join(folder, out, '0001.png'))),
    )
    expect(again).toEqual(one)
    expect(again).not.toEqual(two)
  })

  it('has what its flags say: a beginning with an image, stops and maxima', async () => {
    const events = jsonLines(
      (await sample(['a', '--start-with', 'image', '--max-tokens', '2', '--json'])).stdout,
    )
    expect(events.map(({ type }) => type)).toEqual(['image-start', 'image', 'text', 'text', 'done'])
    expect(events.at(-1)).toMatchObject({ reason: 'maxTokens' })
    const stopped = await sample(['b', '--max-images', '0', '--stop', 'f'])
    expect(stopped).toMatchObject({ code: 0, stdout: expect.stringMatching(/^e ?\n$/) })
    expect(stopped.stderr).toContain('stopped as asked')
    expect((await sample(['b', '--max-images', '0', '--stop-token', '10'])).stdout).toBe('e\n')
  })

  it('shows pictures between the lines where it is told how', async () => {
    const { stdout } = await sample(['a', '--show', 'blocks'])
    const shown = picture(stdout)
    const expected = await pixels(join(folder, 'samples', '0001.png'))
    expect(shown.pixels.map((colour) => colour![0])).toEqual([...expected])
    expect(stdout.startsWith('b\n\x1b[38;2;')).toBe(true)
    expect(stdout.endsWith('\x1b[0m\nc d e f\n')).toBe(true)
  })

  it.each([
    [['--steps', 'many'], "option '--steps <number>' argument 'many' is invalid"],
    [['--steps', '0.5'], 'steps: '],
    [
      ['--sampler', 'euler'],
      'sampler: name must be ddpm, ddim, dpmpp for a model that was trained with ddpm, received euler',
    ],
    [['--guidance-interval', '1'], 'Expected two numbers'],
    [['--count', '0'], '--count: expected a positive integer'],
    [['--tempreture', '1'], 'Did you mean --temperature?'],
  ])('refuses %j with a reason and exit code 1', async (args, message) => {
    const { code, stdout, stderr } = await sample(['a', ...args])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('    at ')
    expect(await readdir(folder)).toEqual(['model'])
  })

  it('stops on SIGINT, with its exit code and only whole files', async () => {
    let sent = false
    const { code, stdout, stderr } = await sample(
      ['a', '--steps', '1000', '--json', '--count', '3', '--preview-every', '1'],
      {
        onOutput(child, output) {
          if (!sent && output.includes('"preview"')) sent = child.kill('SIGINT')
        },
      },
    )
    expect(code).toBe(130)
    expect(stderr).toContain('Stopping')
    expect(jsonLines(stdout).some(({ type }) => type === 'done')).toBe(false)
    const files = await readdir(join(folder, 'samples'))
    for (const file of files) expect((await pixels(join(folder, 'samples', file))).length).toBe(24)
  })

  it('leaves when its reader does, without a word', async () => {
    const { code, stderr } = await sample(['a', '--steps', '1000', '--json', '--preview-every', '1'], {
      onOutput: (child) => child.stdout.destroy(),
    })
    expect({ code, stderr }).toEqual({ code: 141, stderr: '' })
    expect(await readFile(join(folder, 'samples', '0001.png')).catch((error: Error) => error)).toBeInstanceOf(
      Error,
    )
  })

  it("sends the prompt as a message where it is told to, by the model's chat template", async () => {
    const cwd = await scriptedFolder(
      '{% for message in messages %}{{ message.content }} {% endfor %}{% if add_generation_prompt %}a{% endif %}',
    )
    const options = ['--max-images', '0', '--chat']
    const { code, stdout } = await sample(['c', ...options, '--system', 'g'], { cwd })
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'b e f\n' })
    expect((await sample(['c', ...options])).stderr).toContain('the model has no chat template')
    expect((await sample(['c', '--system', 'g'])).stderr).toContain('--system: is of use with --chat')
  })
})
