import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { TrainingProgress } from '../../../lib/cli/terminal/training_progress.js'
import type { StepReport } from '../../../lib/training/step_report.js'
import { stepReport } from '../../reporting/step_report.js'

/** What is shown of `steps` steps of half a second each. */
function shown(
  steps: number,
  { tty = false, completed = true, of = steps, more = {} as Partial<StepReport>, matmulRate = 4000 } = {},
): string {
  const stream = Object.assign(new PassThrough(), {
    isTTY: tty,
    columns: 200,
    cursorTo() {},
    clearLine() {},
  }) as unknown as NodeJS.WriteStream
  const progress = new TrainingProgress({ stream, matmulRate })
  for (let step = 1; step <= steps; step++)
    progress.update(stepReport(step, { progress: step / of, terms: { lm: 2, diffusion: 0.25 }, ...more }))
  progress.stop(completed)
  return String((stream as unknown as PassThrough).read() ?? '')
}

const lines = (text: string): string[] => text.split('\n').slice(0, -1)

describe('TrainingProgress', () => {
  it('writes plain lines where there is no terminal, the last of which says 100%', () => {
    const text = shown(400)
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
    expect(lines(text)).toHaveLength(21)
    expect(lines(text)[10]).toBe(
      ' 50% | step 200 | text loss 2.000 | image loss 0.250 | 200 tokens/s | 50% of matmul rate | 1:40 left',
    )
    expect(lines(text).at(-1)).toBe(
      ' 100% | step 400 | text loss 2.000 | image loss 0.250 | 200 tokens/s | 50% of matmul rate',
    )
  })

  it('writes a line every half minute of a long run, and says where it was stopped', () => {
    const text = lines(shown(150, { of: 100_000, completed: false }))
    expect(text.map((line) => /step (\d+)/.exec(line)![1])).toEqual(['1', '61', '121', '150'])
    expect(text.at(-1)).toMatch(/^ 0% .* 13:52:05 left$/)
  })

  it('judges a resumed run by its own steps', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: false }) as unknown as NodeJS.WriteStream
    const progress = new TrainingProgress({ stream })
    progress.update(stepReport(501, { progress: 0.501, seconds: 10_000 }))
    progress.update(stepReport(502, { progress: 0.502, seconds: 10_001 }))
    progress.stop()
    const last = lines(String((stream as unknown as PassThrough).read())).at(-1)
    expect(last).toContain('| 100 tokens/s |')
    expect(last).toContain('8:18 left')
  })

  it('leaves out a share of a matmul rate that is exceeded, as it was measured under load, from there on', () => {
    const text = lines(shown(40, { matmulRate: 500 }))
    expect(text).toHaveLength(21)
    expect(text.filter((line) => line.includes('matmul'))).toEqual([])
  })

  it('names only what there is: no losses of what is not learnt, no share of an unknown rate', () => {
    const text = shown(2, {
      more: { terms: { lm: 2, diffusion: NaN }, skippedSteps: 3, skippedDocuments: 1 },
      matmulRate: 0,
    })
    expect(lines(text).at(-1)).toBe(
      ' 100% | step 2 | text loss 2.000 | 200 tokens/s | 3 steps skipped | 1 document skipped',
    )
  })

  it('shows the terms of any task by their names', () => {
    const text = shown(2, { more: { terms: { squared_error: 0.5, penalty: 1 }, counts: { examples: 8 } } })
    expect(lines(text).at(-1)).toBe(
      ' 100% | step 2 | squared_error 0.500 | penalty 1.000 | 50% of matmul rate',
    )
  })

  it('shows a bar in a terminal', () => {
    expect(shown(10, { tty: true })).toMatch(/█ 100% \| step 10 \| text loss 2\.000/)
  })

  it('shows nothing of a run without steps', () => {
    expect(shown(0)).toBe('')
  })
})
