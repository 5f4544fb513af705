import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Interval, type MetricsRecord } from '../../lib/reporting/interval.js'
import { MetricsLog } from '../../lib/reporting/metrics_log.js'
import { temporaryFolder } from '../temporary_folder.js'
import { stepReport } from './step_report.js'

describe('Interval', () => {
  it('averages what varies, adds what is counted, and leaves out what is not finite', () => {
    const interval = new Interval(0, 8000)
    interval.add(stepReport(1))
    interval.add(stepReport(2, { gradientNorm: Infinity, applied: false, skippedSteps: 1 }))
    interval.add(stepReport(3, { gradientSpike: true, skippedSteps: 1 }))
    expect(interval.take()).toEqual({
      step: 3,
      seconds: 1.5,
      terms: { lm: 2 },
      gradient_norm: 4,
      gradient_norm_max: 6,
      gradient_spikes: 1,
      learning_rate: 0.3,
      counts: { positions: 300, targets: 30, images: 3 },
      per_second: { positions: 200, targets: 20, images: 2 },
      flops_per_second: 2000,
      matmul_share: 0.25,
      skipped_steps: 1,
      skipped_documents: 0,
    })
    expect(interval.steps).toBe(0)
    interval.add(stepReport(4))
    expect(interval.take()).toMatchObject({ step: 4, per_second: { positions: 200 }, gradient_spikes: 0 })
  })

  it('averages the gradient norms of further networks over the steps that trained them', () => {
    const interval = new Interval()
    const norms = [undefined, { discriminator: 1 }, { discriminator: Infinity }, { discriminator: 4 }]
    norms.forEach((companionNorms, i) =>
      interval.add(stepReport(i + 1, companionNorms && { companionNorms })),
    )
    expect(interval.take()).toMatchObject({ companion_norms: { discriminator: 2.5 } })
    interval.add(stepReport(5))
    expect(interval.take()).not.toHaveProperty('companion_norms')
  })

  it('knows no share of a matmul rate once it was exceeded', () => {
    const interval = new Interval(0, 2500)
    const shares = [2000, 1000, 2000].map((flops, i) => {
      interval.add(stepReport(i + 1, { flops }))
      return interval.take().matmul_share
    })
    expect(shares).toEqual([null, null, null])
  })

  it('counts the seconds of a resumed run from where it goes on', () => {
    const interval = new Interval(100)
    interval.add(stepReport(1, { seconds: 102 }))
    expect(interval.take()).toMatchObject({ per_second: { positions: 50 }, matmul_share: null })
  })
})

describe('MetricsLog', () => {
  const record = (step: number) => ({ step }) as MetricsRecord

  it('goes on after the step that a run resumes at, without what came later or was torn', async () => {
    const path = join(await temporaryFolder(), 'metrics.jsonl')
    await writeFile(path, '{"step":10,"note":"é"}\n{"step":20}\n{"step":30}\n{"ste')
    const log = await MetricsLog.open(path, 20)
    log.add(record(25))
    await log.flush()
    log.add(record(35))
    await log.close()
    expect(await readFile(path, 'utf8')).toBe(
      '{"step":10,"note":"é"}\n{"step":20}\n{"step":25}\n{"step":35}\n',
    )
  })

  it('keeps what follows a damaged line', async () => {
    const path = join(await temporaryFolder(), 'metrics.jsonl')
    await writeFile(path, '{"step":10}\n{"st\n{"step":20}\nnull\n')
    await (await MetricsLog.open(path, 20)).close()
    expect(await readFile(path, 'utf8')).toBe('{"step":10}\n{"st\n{"step":20}\n')
  })

  it('begins anew where a run does', async () => {
    const path = join(await temporaryFolder(), 'metrics.jsonl')
    await writeFile(path, '{"step":10}\n')
    await (await MetricsLog.open(path, 0)).close()
    expect(await readFile(path, 'utf8')).toBe('')
  })

  it('names the file that it cannot write', async () => {
    const folder = await temporaryFolder()
    await expect(MetricsLog.open(join(folder, 'none', 'metrics.jsonl'), 0)).rejects.toThrow('metrics.jsonl')
  })
})
