import { afterEach, expect, it, vi } from 'vitest'
import { drawingProgress } from '../../lib/evaluation/drawing_progress.js'

afterEach(() => vi.useRealTimers())

it('says once in 20 seconds how far drawing is, and that images are drawn again', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const lines: string[] = []
  const onImage = drawingProgress(10, (line) => lines.push(line))
  for (let image = 0; image < 12; image++) {
    vi.advanceTimersByTime(9000)
    onImage()
  }
  expect(lines).toEqual([
    '  3 of 10 drawn, 1:03 left',
    '  6 of 10 drawn, 0:36 left',
    '  9 of 10 drawn, 0:09 left',
    '  2 drawn again',
  ])
})
