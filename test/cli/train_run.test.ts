import { spawn } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { trainTokenizer } from '../../lib/tokenizer/bpe/train_tokenizer.js'
import { writePng } from '../../lib/image/image_io.js'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import { tinyRun, writePictures } from '../run/tiny_run.js'
import { temporaryFolder } from '../temporary_folder.js'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

interface Run {
  code: number
  output: string
}

/** `transfusion train` in a process of its own; `signals` are sent one after the other once it trains. */
async function train(
  folder: string,
  out: string,
  signals: readonly NodeJS.Signals[] = [],
  more: readonly string[] = [],
  whileItTrains: () => Promise<unknown> = async () => {},
): Promise<Run> {
  const child = spawn(process.execPath, [command, 'train', 'config.json', '--out', out, ...more], {
    cwd: folder,
  })
  let output = ''
  // The first once it trains, the second once it says that it stops.
  const moments = [/ parameters/, /Stopping/]
  let sent = 0
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (sent === signals.length || !moments[sent]!.test(output)) return
      const signal = signals[sent++]
      void Promise.all([sleep(300), whileItTrains()]).then(() => child.kill(signal))
    })
  // As a shell tells it: a signal that comes while Node takes itself down finds no handler, and ends the process.
  const code = await new Promise<number>((resolve) =>
    child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal!])),
  )
  return { code, output }
}

/** A folder with eight pictures of two classes, and a config for so many steps over them. */
async function workplace(steps: number, more: object = {}): Promise<string> {
  const folder = await temporaryFolder()
  await writePictures(folder)
  await configure(folder, steps, more)
  return folder
}

const configure = (folder: string, steps: number, more: object = {}) =>
  writeFile(
    join(folder, 'config.json'),
    JSON.stringify({
      ...tinyRun(folder),
      training: {
        steps,
        batchSize: 4,
        ema: 0.99,
        learningRate: { peak: 3e-3, warmupSteps: 3 },
      },
      samples: { every: 100_000, steps: 3 },
      checkpoints: { every: 100 },
      ...more,
    }),
  )

const weights = (folder: string, out: string) => readFile(join(folder, out, 'model', 'model.safetensors'))

describe('transfusion train', () => {
  it('stops on SIGINT and on SIGTERM, goes on with the same command, and ends as if it had not been stopped', async () => {
    const folder = await workplace(1500)
    const first = await train(folder, 'run', ['SIGINT'])
    expect(first.output).toMatch(/Stopped at step \d+, which is saved/)
    expect(first.code).toBe(130)
    const report = () => readFile(join(folder, 'run', 'report.html'), 'utf8')
    expect(await report()).toMatch(/Stopped at step \d+/)
    const second = await train(folder, 'run', ['SIGTERM'])
    expect(second.output).toMatch(/going on from step \d+/)
    expect(second.code).toBe(143)
    const third = await train(folder, 'run')
    expect(third).toMatchObject({ code: 0, output: expect.stringContaining('1500 steps') })
    const whole = await train(folder, 'whole')
    expect(whole.code).toBe(0)
    expect(await weights(folder, 'run')).toEqual(await weights(folder, 'whole'))
    expect(await readdir(join(folder, 'run', 'checkpoints'))).toEqual(['step-000001400', 'step-000001500'])
    expect(await readdir(join(folder, 'run'))).toContain('samples-0001500.png')
    expect(await report()).toContain('Finished at step 1,500')
    const metrics = (await readFile(join(folder, 'run', 'metrics.jsonl'), 'utf8')).trim().split('\n')
    const steps = metrics.map((line) => (JSON.parse(line) as { step: number }).step)
    expect(steps).toEqual([...steps].toSorted((a, b) => a - b))
    expect(new Set(steps).size).toBe(steps.length)
    expect(steps.at(-1)).toBe(1500)
  })

  it('leaves at once on a second signal, with what was saved before', async () => {
    const folder = await workplace(1_000_000, { samples: { every: 200, steps: 1000 } })
    const run = await train(folder, 'run', ['SIGINT', 'SIGINT'])
    expect(run.code).toBe(130)
  })

  it('takes two signals at once for one, as where npm hands on what the terminal sent already', async () => {
    const folder = await workplace(1_000_000)
    const child = spawn(process.execPath, [command, 'train', 'config.json', '--out', 'run'], { cwd: folder })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (!/step \d/.test(text)) return
      child.kill('SIGINT')
      child.kill('SIGTERM')
    })
    // Which of the two is handled first is the system's choice.
    expect([130, 143]).toContain(await new Promise((resolve) => child.on('close', resolve)))
    expect(output).toMatch(/Stopped at step \d+, which is saved/)
  })

  it('refuses to go on with another config, and says in what it differs and what may differ', async () => {
    const folder = await workplace(3)
    expect((await train(folder, 'run')).code).toBe(0)
    await configure(folder, 4, { precision: 'bf16' })
    const refused = await train(folder, 'run')
    expect(refused.code).toBe(1)
    expect(refused.output).toContain(
      'with this one: precision is "bf16", was "f32". Only these may change: samples, ',
    )
    expect(refused.output).toContain(`--init ${join('run', 'checkpoints', 'step-000000003', 'model')}`)
  })

  it('goes on for longer, with data that was moved, and says that a run has finished', async () => {
    const folder = await workplace(3)
    expect((await train(folder, 'run')).code).toBe(0)
    const before = await readdir(join(folder, 'run'))
    await configure(folder, 3, { samples: { every: 7, steps: 2 } })
    const finished = await train(folder, 'run')
    expect(finished).toEqual({
      code: 0,
      output:
        `run: this run has finished, with 3 steps; its model is in ${join('run', 'model')}. To train on, raise ` +
        'training.steps in config.json and give the same command\n',
    })
    expect(await readdir(join(folder, 'run'))).toEqual(before)

    await cp(join(folder, 'run'), join(folder, 'moved'), { recursive: true })
    await rename(join(folder, 'images'), join(folder, 'pictures'))
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as { data: object }
    await configure(folder, 5, { data: { ...config.data, images: 'pictures' } })
    const longer = await train(folder, 'moved')
    expect(longer).toMatchObject({ code: 0, output: expect.stringContaining('5 steps; the model is in') })
    expect(longer.output).toMatch(/data\.images is ".*pictures", was ".*images"/)
    expect(longer.output).toContain('training for 5 steps, before for 3 steps: the learning rate follows')
    expect(longer.output).toContain('going on from step 3')
    expect(await weights(folder, 'moved')).not.toEqual(await weights(folder, 'run'))

    await rm(join(folder, 'moved', 'checkpoints'), { recursive: true })
    const replacing = await train(folder, 'moved')
    expect(replacing).toMatchObject({
      code: 1,
      output: expect.stringContaining('no checkpoint to go on from'),
    })
  })

  it('goes on from the checkpoint before where the latest is damaged, and ends as if nothing had been', async () => {
    const folder = await workplace(250)
    expect((await train(folder, 'whole')).code).toBe(0)
    const latest = join(folder, 'run', 'checkpoints', 'step-000000250')
    const damages = [
      () => truncate(join(latest, 'training.safetensors'), 1000),
      () => rm(join(latest, 'training.json')),
      () => rm(join(latest, 'model', 'model.safetensors')),
      () => writeFile(join(latest, 'model', 'config.json'), '{"architecture": "tra'),
    ]
    for (const damage of damages) {
      await rm(join(folder, 'run'), { recursive: true, force: true })
      await cp(join(folder, 'whole'), join(folder, 'run'), { recursive: true })
      await damage()
      const run = await train(folder, 'run')
      expect(run).toMatchObject({ code: 0, output: expect.stringContaining('going on from step 200') })
      expect(run.output).toMatch(/step-000000250.*; going on from .*step-000000200 instead; the damaged/)
      expect(await weights(folder, 'run')).toEqual(await weights(folder, 'whole'))
      expect((await readdir(join(folder, 'run', 'checkpoints'))).toSorted()).toEqual([
        'damaged-step-000000250',
        'step-000000200',
        'step-000000250',
      ])
    }
  })

  it('saves before it leaves where nobody reads its output any more', async () => {
    const folder = await workplace(3000)
    const child = spawn(process.execPath, [command, 'train', 'config.json', '--out', 'run'], { cwd: folder })
    child.stdout.once('data', () => child.stdout.destroy())
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(141)
    expect(errors).toContain('Stopping after this step and saving')
    const resumed = await train(folder, 'run', ['SIGINT'])
    expect(resumed.output).toMatch(/going on from step \d+/)
  })

  it('keeps a second process out of the folder until the first ends, killed or not', async () => {
    const folder = await workplace(1_000_000)
    let second: Run | undefined
    const first = await train(
      folder,
      'run',
      ['SIGKILL'],
      [],
      async () => (second = await train(folder, 'run')),
    )
    expect(first, first.output).toMatchObject({ code: 137 })
    expect(second).toMatchObject({
      code: 1,
      output: expect.stringMatching(
        /^transfusion: run: process \d+ on .*, training since .*, is using this folder/,
      ),
    })
    const after = await train(folder, 'run', ['SIGHUP'])
    expect(after).toMatchObject({ code: 129, output: expect.stringContaining('which is saved') })
  })

  it("trains a tokenizer on the data's texts, and goes on with it", async () => {
    const settings = { vocabulary: 265, minimumFrequency: 3 }
    const folder = await workplace(4, { tokenizer: { type: 'bpe', ...settings } })
    const run = await train(folder, 'run')
    expect(run).toMatchObject({ code: 0, output: expect.stringContaining('265 tokens, ') })
    const captions = Array.from({ length: 8 }, (_, i) => `a ${i % 2 === 0 ? 'bag' : 'coat'}`)
    const expected = await trainTokenizer(captions, settings)
    const { definition } = await JsonTokenizer.load(join(folder, 'run', 'model', 'tokenizer.json'))
    expect(definition[0]).toEqual(expected.definition[0])
    const again = await train(folder, 'run')
    expect(again).toMatchObject({ code: 0, output: expect.stringContaining('has finished, with 4 steps') })

    await configure(folder, 4, { tokenizer: { type: 'bpe', vocabulary: 100 } })
    const refused = await train(folder, 'other')
    expect(refused).toMatchObject({
      code: 1,
      output: expect.stringContaining('tokenizer.vocabulary: expected at least 260'),
    })
  })

  it('trains on a mixture read by threads, leaves out what cannot be read, and resumes to the document', async () => {
    const folder = await temporaryFolder()
    const png = (name: string, value: number) =>
      writePng(join(folder, name), { width: 8, height: 8, channels: 1, data: new Uint8Array(64).fill(value) })
    await mkdir(join(folder, 'pictures'))
    for (const [i, name] of ['dark', 'grey', 'bright'].entries()) {
      await png(`pictures/${name}.png`, i * 100)
      await writeFile(join(folder, 'pictures', `${name}.txt`), `${name} picture`)
    }
    await writeFile(join(folder, 'pictures', 'broken.png'), 'not a picture')
    await writeFile(join(folder, 'pictures', 'broken.txt'), 'broken picture')
    await writeFile(join(folder, 'pictures', 'bare.png'), '')
    await writeFile(join(folder, 'pictures', 'notes.md'), '')
    const lines = [
      {
        parts: [
          'first dark',
          { image: 'pictures/dark.png' },
          'then bright',
          { image: 'pictures/bright.png' },
        ],
      },
      { text: 'words alone '.repeat(40) },
    ]
    await writeFile(join(folder, 'documents.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'))
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({
        data: {
          type: 'mixture',
          sources: [
            { type: 'folder', path: 'pictures' },
            { type: 'jsonl', path: 'documents.jsonl', weight: 2 },
          ],
        },
        loading: { workers: 2, onUnreadable: 'skip' },
        model: {
          layers: 1,
          channels: 32,
          heads: 2,
          feedForward: 64,
          image: { channels: 1, patch: 4, height: 8, width: 8 },
        },
        training: {
          steps: 120,
          batchTokens: 96,
          gradientAccumulation: 2,
          recompute: true,
          learningRate: { peak: 1e-3 },
        },
        samples: { every: 100_000, steps: 3, prompts: ['dark picture'] },
      }),
    )
    const stopped = await train(folder, 'run', ['SIGINT'])
    expect(stopped.code).toBe(130)
    expect(await train(folder, 'run')).toMatchObject({ code: 0 })
    const whole = await train(folder, 'whole')
    expect(whole).toMatchObject({ code: 0, output: expect.stringMatching(/left out: .*broken.png/) })
    expect(whole.output).toContain('left out: pictures/bare.png: its caption is missing; expected bare.txt')
    expect(whole.output.slice(whole.output.indexOf('left out: 1'))).toMatch(
      new RegExp(
        'left out: 1 image without a caption \\(.*bare.png\\)\n' +
          'left out: 1 document that cannot be read \\(.*broken.png\\)\n' +
          'left out: 1 other file \\(.*notes.md\\)\n' +
          '.*the model is in',
        's',
      ),
    )
    expect(await weights(folder, 'run')).toEqual(await weights(folder, 'whole'))
    const more = await train(folder, 'more', [], ['--init', join('whole', 'model')])
    expect(more).toMatchObject({ code: 0, output: expect.stringContaining('beginning with whole') })
    expect(await weights(folder, 'more')).not.toEqual(await weights(folder, 'whole'))
    // What began with other weights goes on with its own.
    expect(await train(folder, 'more')).toMatchObject({
      code: 0,
      output: expect.stringContaining('has finished, with 120 steps'),
    })
  })

  it('prepares image files as the config says, and saves that with the model', async () => {
    const folder = await temporaryFolder()
    const pictures = join(folder, 'pictures')
    await mkdir(pictures)
    await writePng(join(pictures, 'wide.png'), { width: 8, height: 4, channels: 1, data: new Uint8Array(32) })
    await writeFile(join(pictures, 'wide.txt'), 'a wide picture')
    const data = { type: 'folder', path: pictures }
    const more = { data, imagePreprocessing: { resize: 'contain', background: [9, 9, 9] } }
    await configure(folder, 2, more)
    expect(await train(folder, 'run')).toMatchObject({ code: 0 })
    const saved = JSON.parse(await readFile(join(folder, 'run', 'model', 'config.json'), 'utf8')) as object
    expect(saved).toMatchObject({
      preprocessing: { width: 8, height: 8, channels: 1, resize: 'contain', background: [9, 9, 9] },
    })
    // What is left out, another model's own takes the place of.
    await configure(folder, 2, { data, imagePreprocessing: { autoOrient: false } })
    expect(await train(folder, 'next', [], ['--init', join('run', 'model')])).toMatchObject({ code: 0 })
    const next = JSON.parse(await readFile(join(folder, 'next', 'model', 'config.json'), 'utf8')) as object
    expect(next).toMatchObject({ preprocessing: { resize: 'contain', autoOrient: false } })
    await configure(folder, 2, { data, imagePreprocessing: { width: 9 } })
    const refused = await train(folder, 'other')
    expect(refused.code).toBe(1)
    expect(refused.output).toContain("width: expected a multiple of the model's patch size (4); received 9")
  })
})
