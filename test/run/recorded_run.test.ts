import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { recordedRun } from '../../lib/run/recorded_run.js'
import { RunRecorder } from '../../lib/reporting/run_recorder.js'
import { stepReport } from '../reporting/step_report.js'
import { temporaryFolder } from '../temporary_folder.js'

async function openRecorder(folder: string): Promise<RunRecorder> {
  await writeFile(join(folder, 'config.json'), '{}')
  const options = { step: 0, seconds: 0, every: 10, tensorboard: false, parameters: 1, config: {} }
  return RunRecorder.open(folder, options)
}

describe('recordedRun', () => {
  it.each(['finished', 'interrupted'] as const)('leaves a report of a run that was %s', async (how) => {
    const folder = await temporaryFolder()
    const recorder = await openRecorder(folder)
    const messages: string[] = []
    const hooks = { onMessage: (line: string) => messages.push(line), onWarning: expect.unreachable }
    await recordedRun(folder, recorder, hooks, async () => {
      recorder.step(stepReport(1))
      return how
    })
    const page = await readFile(join(folder, 'report.html'), 'utf8')
    expect(page).toContain(how === 'finished' ? 'Finished at step 1' : 'Stopped at step 1')
    expect(page).toContain('Text loss')
    expect(messages).toEqual([expect.stringMatching(/^report: .*report\.html \(\d+\.?\d* kB\)$/)])
  })

  it('leaves a report of a run that failed, and rejects as the run did', async () => {
    const folder = await temporaryFolder()
    const recorder = await openRecorder(folder)
    const hooks = { onMessage: () => {}, onWarning: expect.unreachable }
    const failed = recordedRun(folder, recorder, hooks, async () => {
      recorder.step(stepReport(7))
      throw new Error('the gradient is not finite')
    })
    await expect(failed).rejects.toThrow('the gradient is not finite')
    expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('Failed at step 7')
  })

  it('hides no error behind those of recording and reporting, which are warnings', async () => {
    const folder = join(await temporaryFolder(), 'run')
    await mkdir(folder)
    const recorder = await openRecorder(folder)
    const warnings: string[] = []
    const failed = recordedRun(
      folder,
      recorder,
      { onMessage: expect.unreachable, onWarning: (line) => warnings.push(line) },
      async () => {
        await rm(folder, { recursive: true })
        throw new Error('the data is gone')
      },
    )
    await expect(failed).rejects.toThrow('the data is gone')
    expect(warnings).toEqual([expect.stringMatching(/no report: .*: no such folder/)])
  })
})
