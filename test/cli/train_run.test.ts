import { spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { idxFile } from '../data/idx_file.js'
import { temporaryFolder } from '../temporary_folder.js'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

interface Run {
  code: number | null
  output: string
}

/** `transfusion train` in a process of its own; `signals` are sent one after the other once it trains. */
async function train(folder: string, out: string, signals: readonly NodeJS.Signals[] = []): Promise<Run> {
  const child = spawn(process.execPath, [command, 'train', 'config.json', '--out', out], { cwd: folder })
  let output = ''
  // The first once it trains, the second once it says that it stops.
  const moments = [/ parameters/, /Stopping/]
  let sent = 0
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (sent === signals.length || !moments[sent]!.test(output)) return
      const signal = signals[sent++]
      setTimeout(() => child.kill(signal), 300)
    })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, output }
}

/** A folder with eight pictures of two classes, and a config for so many steps over them. */
async function workplace(steps: number, more: object = {}): Promise<string> {
  const folder = await temporaryFolder()
  const pixels = Array.from({ length: 8 * 64 }, (_, i) =>
    i % 8 < 4 === (i >> 6) % 2 > 0 ? 220 : 20 + (i >> 6),
  )
  await writeFile(join(folder, 'images'), idxFile([8, 8, 8], pixels))
  await writeFile(join(folder, 'labels'), idxFile([8], [0, 1, 0, 1, 0, 1, 0, 1]))
  await configure(folder, steps, more)
  return folder
}

const configure = (folder: string, steps: number, more: object = {}) =>
  writeFile(
    join(folder, 'config.json'),
    JSON.stringify({
      data: {
        type: 'idx',
        images: join(folder, 'images'),
        labels: join(folder, 'labels'),
        classNames: ['bag', 'coat'],
      },
      model: {
        layers: 1,
        channels: 32,
        heads: 2,
        feedForward: 64,
        image: { channels: 1, patch: 4, height: 8, width: 8 },
      },
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
  })

  it('leaves at once on a second signal, with what was saved before', async () => {
    const folder = await workplace(1_000_000, { samples: { every: 200, steps: 1000 } })
    const started = performance.now()
    const run = await train(folder, 'run', ['SIGINT', 'SIGINT'])
    expect(run.code).toBe(130)
    expect(performance.now() - started).toBeLessThan(30_000)
  })

  it('refuses to go on with another config, and says in what it differs', async () => {
    const folder = await workplace(3)
    expect((await train(folder, 'run')).code).toBe(0)
    await configure(folder, 4, { precision: 'bf16' })
    const refused = await train(folder, 'run')
    expect(refused.code).toBe(1)
    expect(refused.output).toContain('they differ in precision, training.steps.')
    await configure(folder, 3, { samples: { every: 7, steps: 2 } })
    expect((await train(folder, 'run')).code).toBe(0)
  })
})
