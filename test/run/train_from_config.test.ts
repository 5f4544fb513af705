import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { trainFromConfig, type TrainRunOptions } from '../../lib/run/train_from_config.js'
import type { WrittenTrainConfig } from '../../lib/run/train_config.js'
import { memory, setMemoryLimit } from '../../lib/tensor/device.js'
import { Transfusion } from '../../lib/transfusion.js'
import { command } from '../cli/command.js'
import { temporaryFolder } from '../temporary_folder.js'
import { tinyRun, writePictures } from './tiny_run.js'

const { limit } = memory()

/** A folder with eight pictures of two classes, and a config for so many steps over them. */
async function workplace(steps: number): Promise<{ folder: string; config: WrittenTrainConfig }> {
  const folder = await temporaryFolder()
  await writePictures(folder)
  const config: WrittenTrainConfig = {
    ...tinyRun(folder),
    training: { steps, batchSize: 4, ema: 0.9, learningRate: { peak: 3e-3, warmupSteps: 3 } },
    samples: { every: 8, steps: 2 },
    checkpoints: { every: 5 },
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  return { folder, config }
}

/** The names of all files below a folder, without those whose name has a time or a process in it. */
const filesOf = async (folder: string) =>
  (await readdir(folder, { recursive: true }))
    .map((name) => name.replace(/events\.out\.tfevents.*/, 'events'))
    .toSorted()

async function sameFiles(one: string, other: string): Promise<void> {
  expect(await filesOf(one)).toEqual(await filesOf(other))
  const same = [
    'config.json',
    'model/config.json',
    'model/model.safetensors',
    'model/tokenizer.json',
    'samples-0000008.png',
    'samples-0000012.json',
    'samples-0000012.png',
    'checkpoints/step-000000012/training.safetensors',
  ]
  for (const file of same)
    expect(await readFile(join(one, file)), file).toEqual(await readFile(join(other, file)))
  const losses = async (folder: string) =>
    (await readFile(join(folder, 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => {
        const { seconds: _, ...record } = JSON.parse(line) as Record<string, unknown>
        return Object.fromEntries(Object.entries(record).filter(([key]) => !/per_second|share/.test(key)))
      })
  expect(await losses(one)).toEqual(await losses(other))
}

describe('trainFromConfig', () => {
  it('leaves the files of the command, from its config file and from an object, told of each step', async () => {
    const { folder, config } = await workplace(12)
    const told = await command(['train', 'config.json', '--out', 'by-command'], { cwd: folder })
    expect(told).toMatchObject({ code: 0 })
    const steps: number[] = []
    const messages: string[] = []
    const hooks: string[] = []
    const out = join(folder, 'by-function')
    const result = await trainFromConfig(join(folder, 'config.json'), {
      out,
      onMessage: (line) => messages.push(line),
      onWarning: expect.unreachable,
      onReady: () => hooks.push('ready'),
      onTrainingStart: ({ matmulRate }) => hooks.push(matmulRate > 0 ? 'start' : 'no rate'),
      onStep: ({ step }) => steps.push(step),
      onTrainingEnd: (completed) => hooks.push(`end ${completed}`),
    })
    expect(result).toEqual({
      outcome: 'finished',
      steps: 12,
      seconds: expect.any(Number),
      model: join(out, 'model'),
    })
    expect(hooks).toEqual(['ready', 'start', 'end true'])
    expect(steps).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
    await sameFiles(out, join(folder, 'by-command'))
    // All that the command says but for its progress.
    const said = messages.map((line) => line.replaceAll(out, 'by-command').replace(/\(.*kB\)/, ''))
    const lines = told.stdout.split('\n').map((line) => line.replace(/\(.*kB\)/, ''))
    expect(lines.filter((line) => line !== '' && !/^ \d+% \|/.test(line))).toEqual(said)
    await trainFromConfig(config, { out: join(folder, 'by-object') })
    await sameFiles(join(folder, 'by-object'), out)
    using model = await Transfusion.load(result.model)
    expect(model.parameterCount).toBeGreaterThan(0)
  })

  it('stops where its signal aborts, and the same call goes on to what an uninterrupted run gives', async () => {
    const { folder, config } = await workplace(12)
    const stop = new AbortController()
    const run = (out: string, options: TrainRunOptions = {}) =>
      trainFromConfig(config, { out: join(folder, out), ...options })
    const onStep = ({ step }: { step: number }) => {
      if (step === 7) stop.abort()
    }
    let second: Promise<unknown> | undefined
    const onTrainingStart = () => (second = run('run').catch((error: unknown) => error))
    const stopped = await run('run', { signal: stop.signal, onStep, onTrainingStart })
    expect(String(await second)).toMatch(/run: process \d+ on .*, training since .*, is using this folder/)
    expect(stopped.outcome).toBe('interrupted')
    expect(stopped.steps).toBeLessThan(12)
    expect(await readdir(join(folder, 'run'))).not.toContain('model')
    expect(await run('run')).toMatchObject({ outcome: 'finished', steps: 12 })
    await run('whole')
    const weights = (out: string) => readFile(join(folder, out, 'model', 'model.safetensors'))
    expect(await weights('run')).toEqual(await weights('whole'))
    const messages: string[] = []
    const again = await run('run', {
      onMessage: (line) => messages.push(line),
      onStep: () => expect.unreachable(),
    })
    expect(again).toMatchObject({ outcome: 'finished', steps: 12 })
    expect(messages).toEqual([expect.stringContaining('this run has finished, with 12 steps')])
  })

  it('takes settings, which an error names as the config has them, and makes no folder for a wrong one', async () => {
    const { folder, config } = await workplace(12)
    const out = join(folder, 'run')
    const refused = trainFromConfig(config, { out, set: ['training.step=3'] })
    await expect(refused).rejects.toThrow('config:\n  training.step: unknown key; did you mean "steps"?')
    await expect(trainFromConfig(7 as never)).rejects.toThrow(
      'trainFromConfig: config must be the path of a config file, or a config, received 7',
    )
    expect(await readdir(folder)).not.toContain('run')
    expect(await trainFromConfig(config, { out, set: ['training.steps=3'] })).toMatchObject({ steps: 3 })
  })
})

it('refuses a batch that memory cannot hold also where a run begins with the weights of a folder', async () => {
  const { folder, config } = await workplace(2)
  const { model: init } = await trainFromConfig(config, { out: join(folder, 'first') })
  setMemoryLimit(1e9)
  try {
    const out = join(folder, 'run')
    await expect(trainFromConfig(config, { out, init, set: ['training.batchSize=2000000'] })).rejects.toThrow(
      /^config: training\.batchSize: images of 4 patches each take at least 1\.02 GB in a step/,
    )
    expect(await readdir(folder)).not.toContain('run')
  } finally {
    setMemoryLimit(limit)
  }
})

it('has an example of it, which trains and draws', async () => {
  const { folder } = await workplace(12)
  const example = fileURLToPath(new URL('../../examples/train_from_config.mjs', import.meta.url))
  const out = join(folder, 'run')
  const { stdout } = await promisify(execFile)(process.execPath, [
    example,
    join(folder, 'config.json'),
    out,
    'training.steps=2',
  ])
  expect(stdout).toMatch(/finished after 2 steps\n$/)
  expect(await readdir(out)).toEqual(expect.arrayContaining(['model', 'generated.png', 'report.html']))
})
