// Ours and PyTorch's, each in a process of its own, one after the other; one that hangs or fails is not the others' end.
import { setTimeout } from 'node:timers/promises'
import { startPeer } from '../common/peers.mjs'
import { startOurs } from '../common/subject.mjs'
import { summarize } from '../common/turns.mjs'
import { findPyTorch } from './tools.mjs'

/** What both sides of a slice compute in. */
export const compute = 'bf16'

/** A model that a simulated GPU bears. */
export const tinySize = {
  layers: 1,
  channels: 32,
  heads: 2,
  vocabulary: 600,
  image: { channels: 1, patch: 2, height: 8, width: 8 },
}

/** Resolves with the answer; kills the side where there is none in so many seconds. */
async function askWithin(side, request, seconds) {
  const answered = new AbortController()
  const late = setTimeout(Math.max(0, seconds * 1000), undefined, answered).then(
    () => {
      side.kill()
      throw new Error(`killed: the ${Math.round(seconds)} s that were left were over`)
    },
    // The answer came first.
    () => {},
  )
  try {
    return await Promise.race([side.ask(request), late])
  } finally {
    answered.abort()
  }
}

/** Sides of a slice: `run(name, start, body)` gives `body` an `ask(request)` that ends with the slice's time. */
export function sidesOf({ deadline, driver, tiny, python, withoutTorch = false }, results) {
  const left = () => (deadline - performance.now()) / 1000
  const environment = driver && { TRANSFUSION_CUDA_DRIVER: driver }
  const torch = withoutTorch ? { reason: 'not asked for' } : findPyTorch({ python, cpu: tiny })
  if (!withoutTorch)
    results.note(torch.reason ? `PyTorch: skipped, ${torch.reason}` : `PyTorch ${torch.version}`)
  return {
    torch: !torch.reason,
    startOurs: (name, options, device = 'cuda') =>
      startOurs(name, { compute, ...options }, { ...environment, TRANSFUSION_DEVICE: device }),
    startPeer: (name, options) =>
      startPeer(name, { compute, device: tiny ? 'cpu' : 'cuda', ...options }, torch.python),
    async run(name, start, body) {
      if (left() <= 0) return results.note(`${name}: not run, the time was over`)
      const side = start()
      try {
        await body((request) => askWithin(side, request, left()))
      } catch (error) {
        results.note(`${name}: ${error.message.split('\n')[0]}`)
        side.kill()
      }
      // A process that waits within the kernel for a GPU may outlive its kill.
      await Promise.race([side.end(), setTimeout(10_000, undefined, { ref: false })])
    },
    /** { best, median, all, answer } in seconds, of some rounds after one that warms up; no round begins after the time. */
    async measure(ask, request, { rounds, warmUp = request }) {
      await ask(warmUp)
      const all = []
      let answer
      do {
        answer = await ask(request)
        all.push(answer.seconds)
      } while (all.length < rounds && left() > 1.5 * answer.seconds)
      return { ...summarize(all), answer }
    },
  }
}
