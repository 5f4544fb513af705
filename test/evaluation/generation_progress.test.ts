import { afterEach, expect, it, vi } from 'vitest'
import { generationProgress } from '../../lib/evaluation/generation_progress.js'

afterEach(() => vi.useRealTimers())

it('says once in 20 seconds how far generation is, and that there are further attempts', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const lines: string[] = []
  const onImage = generationProgress(10, (line) => lines.push(line))
  for (let image = 0; image < 12; image++) {
    vi.advanceTimersByTime(9000)
    onImage()
  }
  expect(lines).toEqual([
    '  3 of 10 images, 1:03 left',
    '  6 of 10 images, 0:36 left',
    '  9 of 10 images, 0:09 left',
    '  2 further attempts',
  ])
})

it('waits for a whole batch before it says how long the rest will take', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const lines: string[] = []
  const onImage = generationProgress(32, (line) => lines.push(line))
  // 8 at once, each batch in a minute.
  for (let batch = 0; batch < 3; batch++) {
    vi.advanceTimersByTime(59_200)
    for (let image = 0; image < 8; image++) {
      vi.advanceTimersByTime(100)
      onImage()
    }
  }
  expect(lines).toEqual(['  9 of 32 images, 2:01 left', '  17 of 32 images, 1:01 left'])
})
