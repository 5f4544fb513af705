import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { AppendFile } from '../../lib/reporting/append_file.js'
import { EventFile } from '../../lib/reporting/event_file.js'
import type { MetricsRecord } from '../../lib/reporting/interval.js'
import { metricsLines } from '../../lib/reporting/metrics_file.js'
import { MetricsLog } from '../../lib/reporting/metrics_log.js'
import { RunRecorder } from '../../lib/reporting/run_recorder.js'
import { readSessions } from '../../lib/reporting/sessions.js'
import { collectGarbage } from '../collect_garbage.js'
import { testImage } from '../models/transfusion/tiny_model.js'
import { temporaryFolder } from '../temporary_folder.js'
import { stepReport } from './step_report.js'

const options = { every: 3, tensorboard: true, parameters: 123, config: { a: '<b>' }, matmulRate: 1e9 }

async function readRecords(folder: string): Promise<(MetricsRecord | undefined)[]> {
  const records: (MetricsRecord | undefined)[] = []
  for await (const { record } of metricsLines(join(folder, 'metrics.jsonl')))
    records.push(record as MetricsRecord | undefined)
  return records
}

/** Records steps; `killed`: a folder that gets what is on disk where the process is killed at the end. */
async function run(folder: string, from: number, to: number, killed?: string): Promise<void> {
  const recorder = await RunRecorder.open(folder, { ...options, step: from, seconds: from / 2 })
  for (let step = from + 1; step <= to; step++) {
    recorder.step(stepReport(step))
    // As at a checkpoint.
    if (step % 4 === 0) await recorder.flush()
  }
  if (killed !== undefined) await cp(folder, killed, { recursive: true })
  await recorder.close()
}

describe('RunRecorder', () => {
  it('leaves the records of an uninterrupted run, whatever it was resumed from', async () => {
    const [whole, first, second, resumed] = [
      await temporaryFolder(),
      await temporaryFolder(),
      await temporaryFolder(),
      await temporaryFolder(),
    ]
    await run(whole, 0, 11)
    await run(first, 0, 7, second)
    await run(second, 4, 10, resumed)
    await run(resumed, 8, 11)
    const records = await readRecords(whole)
    expect(records.map((record) => record?.step)).toEqual([3, 4, 6, 8, 9, 11])
    expect(records.map((record) => record?.counts['positions'])).toEqual([300, 100, 200, 200, 100, 200])
    expect(await readRecords(resumed)).toEqual(records)
    const sessions = await readSessions(resumed)
    expect(sessions).toMatchObject({ parameters: 123 })
    expect(sessions!.sessions.map(({ step }) => step)).toEqual([0, 4, 8])
    expect((await readdir(resumed)).filter((name) => name.startsWith('events.out.tfevents.'))).toHaveLength(3)
  })

  it('records what was measured of samples behind the record of their step', async () => {
    const folder = await temporaryFolder()
    const recorder = await RunRecorder.open(folder, { ...options, step: 0, seconds: 0 })
    recorder.step(stepReport(1))
    const sheet = { image: testImage(8, 8, 0), captions: ['31 dB'], metrics: { psnr: 31 } }
    await recorder.sheet(1, sheet)
    await recorder.close()
    const records = await readRecords(folder)
    expect(records).toMatchObject([
      { step: 1, terms: {} },
      { step: 1, samples: { psnr: 31 } },
    ])
    // A run that goes on from this step keeps it, one from before does not.
    for (const [step, lines] of [
      [1, 2],
      [0, 0],
    ] as const) {
      await (await RunRecorder.open(folder, { ...options, step, seconds: 0 })).close()
      expect(await readRecords(folder)).toHaveLength(lines)
    }
  })

  it('keeps images as sheets, in the folder and for TensorBoard, and removes those that a resumed run generates anew', async () => {
    const folder = await temporaryFolder()
    const recorder = await RunRecorder.open(folder, { ...options, step: 0, seconds: 0 })
    const images = Array.from({ length: 12 }, (_, i) => testImage(8, 8, i))
    await recorder.samples(
      20,
      images,
      images.map((_, i) => `image ${i}`),
    )
    await recorder.close()
    const png = await readFile(join(folder, 'samples-0000020.png'))
    expect(JSON.parse(await readFile(join(folder, 'samples-0000020.json'), 'utf8'))).toHaveLength(12)
    expect(png.subarray(1, 4).toString()).toBe('PNG')
    const events = (await readdir(folder)).find((name) => name.startsWith('events'))!
    expect((await readFile(join(folder, events))).includes(png)).toBe(true)
    await writeFile(join(folder, 'samples-0000010.png'), png)
    await writeFile(join(folder, 'samples-mine.png'), png)
    await (await RunRecorder.open(folder, { ...options, step: 15, seconds: 0 })).close()
    expect((await readdir(folder)).filter((name) => name.startsWith('samples'))).toEqual([
      'samples-0000010.png',
      'samples-mine.png',
    ])
  })

  it('notes how a session ended, and at which step', async () => {
    const folder = await temporaryFolder()
    const recorder = await RunRecorder.open(folder, { ...options, step: 4, seconds: 0 })
    recorder.step(stepReport(5))
    await recorder.close({ how: 'failed', message: 'no data' })
    const { sessions } = (await readSessions(folder))!
    expect(sessions[0]!.ended).toMatchObject({ step: 5, how: 'failed', message: 'no data' })
  })

  it('writes no event files where they are not wanted', async () => {
    const folder = await temporaryFolder()
    await (await RunRecorder.open(folder, { ...options, tensorboard: false, step: 0, seconds: 0 })).close()
    expect((await readdir(folder)).toSorted()).toEqual(['metrics.jsonl', 'run.json'])
  })

  it('closes its files, whatever fails: none is left to the garbage collector', async () => {
    const seen: Error[] = []
    const note = (warning: Error) => void seen.push(warning)
    process.on('warning', note)
    onTestFinished(() => void process.off('warning', note))
    const start = { ...options, step: 0, seconds: 0 }
    const broken = vi.spyOn(EventFile, 'create').mockRejectedValue(new Error('no event file'))
    await expect(RunRecorder.open(await temporaryFolder(), start)).rejects.toThrow('no event file')
    broken.mockRestore()

    const unwritable = vi.spyOn(AppendFile.prototype, 'flush').mockRejectedValue(new Error('disk is full'))
    const recorder = await RunRecorder.open(await temporaryFolder(), start)
    await expect(recorder.close({ how: 'finished' })).rejects.toThrow('disk is full')
    unwritable.mockRestore()

    await expect(MetricsLog.open(join(await temporaryFolder(), 'none', 'log'), 0)).rejects.toThrow('ENOENT')
    const lines = join(await temporaryFolder(), 'metrics.jsonl')
    await writeFile(lines, '{"step": 1}\n{"step": 9}\n')
    await (await MetricsLog.open(lines, 4)).close()
    await mkdir(`${lines}.folder`)
    await expect(MetricsLog.open(`${lines}.folder`, 4)).rejects.toThrow('EISDIR')

    for (let turn = 0; turn < 3; turn++) {
      collectGarbage()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(seen).toEqual([])
  })
})
