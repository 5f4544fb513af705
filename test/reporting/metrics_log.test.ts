import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Interval, type MetricsRecord } from '../../lib/reporting/interval.js'
import { MetricsLog } from '../../lib/reporting/metrics_log.js'
import type { StepReport } from '../../lib/training/step_report.js'
import { temporaryFolder } from '../temporary_folder.js'

const report = (step: number, more: Partial<StepReport> = {}): StepReport => ({
  step,
  progress: 0,
  lm: step,
  diffusion: NaN,
  gradientNorm: 2 * step,
  applied: true,
  gradientSpike: false,
  learningRate: step / 10,
  positions: 100,
  targets: 10,
  images: 1,
  skippedSteps: 0,
  skippedDocuments: 0,
  seconds: step / 2,
  ...more,
})

describe('Interval', () => {
  it('averages what varies, adds what is counted, and leaves out what is not finite', () => {
    const interval = new Interval()
    interval.add(report(1))
    interval.add(report(2, { gradientNorm: Infinity, applied: false, skippedSteps: 1 }))
    interval.add(report(3, { gradientSpike: true, skippedSteps: 1 }))
    expect(interval.take()).toEqual({
      step: 3,
      seconds: 1.5,
      lm: 2,
      diffusion: null,
      gradient_norm: 4,
      gradient_spikes: 1,
      learning_rate: 0.3,
      positions: 300,
      targets: 30,
      images: 3,
      positions_per_second: 200,
      skipped_steps: 1,
      skipped_documents: 0,
    })
    expect(interval.steps).toBe(0)
    interval.add(report(4))
    expect(interval.take()).toMatchObject({ step: 4, positions_per_second: 200, gradient_spikes: 0 })
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
    await log.flush()
    await log.close()
    expect(await readFile(path, 'utf8')).toBe(
      '{"step":10,"note":"é"}\n{"step":20}\n{"step":25}\n{"step":35}\n',
    )
  })

  it('names the file that it cannot write', async () => {
    const folder = await temporaryFolder()
    await expect(MetricsLog.open(join(folder, 'none', 'metrics.jsonl'), 0)).rejects.toThrow('metrics.jsonl')
  })
})
