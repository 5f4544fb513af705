import { mkdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeReport } from '../../lib/reporting/report.js'
import type { ChartData } from '../../lib/reporting/report/chart_data.js'
import { RunRecorder } from '../../lib/reporting/run_recorder.js'
import { testImage } from '../models/transfusion/tiny_model.js'
import { temporaryFolder } from '../temporary_folder.js'
import { stepReport } from './step_report.js'

const evil = '</script><script>alert("1")</script><img src=x onerror=alert(2)>'
const config = { data: { type: 'folder', path: evil }, training: { steps: 40 } }

/** The folder of a run that was stopped at step 20 and went on to 40, all of whose texts are malicious. */
async function exampleRun(): Promise<string> {
  const folder = join(await temporaryFolder(), '<b>run')
  await mkdir(folder)
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  for (const [from, to] of [
    [0, 20],
    [20, 40],
  ] as const) {
    const recorder = await RunRecorder.open(folder, {
      step: from,
      seconds: from / 2,
      every: 2,
      tensorboard: false,
      parameters: 1_240_000,
      config,
      matmulRate: 1e9,
    })
    for (let step = from + 1; step <= to; step++)
      recorder.step(stepReport(step, { gradientSpike: step === 15, skippedSteps: Number(step > 30) }))
    await recorder.samples(to, [testImage(8, 8, 1), testImage(8, 8, 2)], [evil, 'a "bag" & a coat'])
    await recorder.close(from === 0 ? { how: 'interrupted' } : { how: 'failed', message: evil })
  }
  return folder
}

async function reportOf(folder: string) {
  const { path, problems, bytes } = await writeReport(folder)
  const page = await readFile(path, 'utf8')
  const [, data] = /<script type="application\/json" id="chart-data">([^]*?)<\/script>/.exec(page)!
  return {
    page,
    problems,
    bytes,
    data: JSON.parse(data!) as ChartData,
  }
}

describe('the report', () => {
  it('holds curves, sheets, sessions and config in one page that loads nothing', async () => {
    const folder = await exampleRun()
    const { page, problems, data } = await reportOf(folder)
    expect(problems).toEqual([])
    expect(data.steps).toEqual(Array.from({ length: 20 }, (_, i) => 2 * i + 2))
    expect(data.resumed).toEqual([20])
    expect(data.spikes.indexOf(1)).toBe(7)
    const png = await readFile(join(folder, 'samples-0000040.png'), 'base64')
    expect(page).toContain(`src="data:image/png;base64,${png}"`)
    for (const text of [
      'Failed at step 40',
      '1.24 M',
      'a &quot;bag&quot; &amp; a coat',
      'interrupted',
      'Gflop/s',
      '1 spike',
      '&quot;steps&quot;: 40',
    ])
      expect(page).toContain(text)
    expect(page).toContain("default-src 'none'".replaceAll("'", '&#39;'))
    for (const [, address] of page.matchAll(/(?:src|href)="([^"]*)"/g)) expect(address).toMatch(/^data:/)
    expect(page).not.toMatch(/url\(|@import/)
  })

  it('makes text from files harmless', async () => {
    const folder = await exampleRun()
    await writeFile(
      join(folder, 'eval.json'),
      JSON.stringify({
        model: evil,
        precision: evil,
        seed: 0,
        results: [
          { task: evil, data: evil, settings: { evil }, metrics: { [evil]: { value: 1 } }, seconds: 1 },
        ],
      }),
    )
    const { page } = await reportOf(folder)
    expect(page).not.toContain('<script>alert')
    expect(page).not.toContain('<img src=x')
    expect(page).not.toContain('<b>run')
    expect(page.match(/<\/script>/g)).toHaveLength(2)
    expect(page).toContain('&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot;)')
  })

  it('shows the terms and counts of any task, whatever they are called', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'config.json'), JSON.stringify(config))
    const options = { step: 0, seconds: 0, every: 1, tensorboard: false, parameters: 3, config }
    const recorder = await RunRecorder.open(folder, options)
    for (let step = 1; step <= 3; step++)
      recorder.step(stepReport(step, { terms: { penalty: 4, [evil]: 1 / step }, counts: { examples: 8 } }))
    await recorder.close()
    const { page, problems, data } = await reportOf(folder)
    expect(problems).toEqual([])
    expect(data.series).toMatchObject({
      'loss/penalty': { mean: [4, 4, 4] },
      [`loss/${evil}`]: { mean: [1, 0.5, 0.33333] },
      examples_per_second: { mean: [16, 16, 16] },
    })
    for (const text of ['Penalty, last', 'Loss: penalty', 'Speed: examples', 'Examples per second'])
      expect(page).toContain(text)
    expect(page).not.toMatch(/<script>alert|<img src=x|Text loss|Image loss/)
  })

  it('shows a run of earlier versions, whose records have two losses and no terms, as one of today', async () => {
    const folder = await temporaryFolder()
    const record = { step: 2, seconds: 1, gradient_norm: 1, learning_rate: 0.1 }
    const page = async (line: object) => {
      await writeFile(join(folder, 'metrics.jsonl'), `${JSON.stringify({ ...record, ...line })}\n`)
      return (await reportOf(folder)).page.replace(/As of [^<]*/, '')
    }
    const old = await page({
      lm: 3,
      diffusion: 0.5,
      positions: 9,
      targets: 3,
      images: 1,
      positions_per_second: 90,
    })
    expect(old).toContain('Image loss, last')
    const counts = { positions: 9, targets: 3, images: 1 }
    expect(await page({ terms: { lm: 3, diffusion: 0.5 }, counts, per_second: { positions: 90 } })).toBe(old)
  })

  it('shows the metrics of eval.json and of the demo with what they measure, and leaves out those of an earlier run', async () => {
    const folder = await exampleRun()
    const metrics = {
      image_accuracy: { value: 0.9123, standard_error: 0.0091, count: 1000 },
      mine: { value: null },
    }
    const results = [{ task: 'classes', data: 'Fashion-MNIST', settings: { steps: 50 }, metrics, seconds: 3 }]
    const evaluation = join(folder, 'eval.json')
    await writeFile(evaluation, JSON.stringify({ model: 'm', precision: 'f32', seed: 7, results }))
    await writeFile(join(folder, 'final_metrics.json'), '{"diversity": 0.81}')
    const { page, problems } = await reportOf(folder)
    expect(problems).toEqual([])
    for (const text of [
      '0.9123',
      '± 0.0091',
      'n = 1,000',
      'Images recognised',
      'not finite',
      'Diversity',
      '0.81',
    ])
      expect(page).toContain(text)
    await utimes(evaluation, 1, 1)
    const later = await reportOf(folder)
    expect(later.page).not.toContain('Images recognised')
    expect(later.problems).toEqual([`${evaluation}: older than this run, of an earlier one; left out`])
  })

  it('shows the metrics of earlier versions, which had other names for them and their file', async () => {
    const folder = await exampleRun()
    const figures = { judge_accuracy: { value: 0.9172, count: 10_000 } }
    const results = [{ task: 'classes', data: 'Fashion-MNIST', settings: {}, figures, seconds: 3 }]
    await writeFile(
      join(folder, 'eval.json'),
      JSON.stringify({ model: 'm', precision: 'f32', seed: 7, results }),
    )
    await writeFile(join(folder, 'figures.json'), '{"held_out_farther": 0.8642}')
    const { page, problems } = await reportOf(folder)
    expect(problems).toEqual([])
    for (const text of ['0.9172', 'Real images recognised', 'judge_accuracy', '0.8642', 'retrieval AUC'])
      expect(page).toContain(text)
    await writeFile(
      join(folder, 'eval.json'),
      JSON.stringify({
        model: 'm',
        precision: 'f32',
        seed: 7,
        results: [{ ...results[0], figures: undefined }],
      }),
    )
    expect((await reportOf(folder)).problems).toEqual([
      expect.stringContaining('results[0].metrics: expected'),
    ])
  })

  it('takes a run that goes on: a half-written last line is no problem', async () => {
    const folder = await exampleRun()
    await writeFile(join(folder, 'metrics.jsonl'), '{"step":2,"seconds":1,"lm":3}\n{"step":4,"sec')
    await rm(join(folder, 'run.json'))
    const { data, problems } = await reportOf(folder)
    expect(data.steps).toEqual([2])
    expect(problems).toEqual([])
  })

  it('counts and names damaged lines', async () => {
    const folder = await exampleRun()
    const lines = Array.from({ length: 40 }, (_, i) => (i % 3 === 1 ? '{"st' : `{"step":${i + 1},"lm":1}`))
    await writeFile(join(folder, 'metrics.jsonl'), `${lines.join('\n')}\n{"step":7}\n`)
    const { data, page, problems } = await reportOf(folder)
    expect(data.steps).toHaveLength(27)
    expect(problems).toEqual([
      expect.stringMatching(
        /metrics\.jsonl: 14 of 41 lines left out, .*: 2, 5, 8, 11, 14, 17, 20, 23, 26, 29 \.\.\.$/,
      ),
    ])
    expect(page).toContain('14 of 41 lines')
  })

  it('names files that are missing or damaged, and shows the rest', async () => {
    const folder = await exampleRun()
    await rm(join(folder, 'samples-0000020.png'))
    await truncate(join(folder, 'samples-0000040.png'), 200)
    await rm(join(folder, 'metrics.jsonl'))
    await writeFile(join(folder, 'run.json'), '{"parameters": "many", "sessions": []}')
    await writeFile(join(folder, 'config.json'), '{"data"')
    await writeFile(join(folder, 'eval.json'), '[]')
    await writeFile(join(folder, 'final_metrics.json'), '{"diversity": "high"}')
    const { page, problems } = await reportOf(folder)
    for (const name of [
      'samples-0000020.png',
      'samples-0000040.png: cannot be read as an image',
      'metrics.jsonl: missing',
      'run.json',
      'config.json: not JSON',
      'eval.json',
      'final_metrics.json',
    ])
      expect(problems.filter((problem) => problem.includes(name))).toHaveLength(1)
    expect(problems).toHaveLength(7)
    expect(page).toContain('Missing or damaged')
    expect(page).toContain('No metrics are written yet')
    expect(page).toContain('There are no sheets of samples')
  })

  it('refuses a folder that is none of a run, and says what would be', async () => {
    const folder = await temporaryFolder()
    await expect(writeReport(join(folder, 'none'))).rejects.toThrow('none: no such folder')
    await writeFile(join(folder, 'config.json'), '{}')
    await expect(writeReport(join(folder, 'config.json'))).rejects.toThrow('config.json: not a folder')
    await expect(writeReport(folder)).rejects.toThrow(
      'it has neither metrics.jsonl nor run.json; name the --out folder of transfusion train or demo',
    )
  })

  it('stays small for 250,000 steps and hundreds of sheets', async () => {
    const folder = await exampleRun()
    const line = (step: number) =>
      `{"step":${step},"seconds":${step / 7},"lm":${Math.random()},"diffusion":${Math.random()},"gradient_norm":${Math.random()},"gradient_norm_max":${Math.random()},"gradient_spikes":${Number(step % 1000 === 0)},"learning_rate":${Math.random()},"positions_per_second":${1e4 * Math.random()},"matmul_share":${Math.random()},"skipped_steps":0,"skipped_documents":0}\n`
    const lines = Array.from({ length: 250_000 }, (_, i) => line(i + 1))
    await writeFile(join(folder, 'metrics.jsonl'), lines.join(''))
    const sheet = await readFile(join(folder, 'samples-0000040.png'))
    for (let step = 100; step <= 20_000; step += 100)
      await writeFile(join(folder, `samples-${String(step).padStart(7, '0')}.png`), sheet)
    const { page, bytes, data } = await reportOf(folder)
    expect(bytes).toBeLessThan(3e6)
    expect(data.steps.length).toBeGreaterThan(2000)
    expect(data.steps.at(-1)).toBe(250_000)
    expect(data.spikes.reduce((a, b) => a + b)).toBe(250)
    expect(page).toContain('48 of 202 sheets are shown')
    expect(page).toContain('data-step="20"')
    expect(page).toContain('data-step="20000"')
  })
})
