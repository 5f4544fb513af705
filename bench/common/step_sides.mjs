// Both sides of a training step, our own and PyTorch's, each in its process.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sizes } from './models.mjs'
import { startPeer } from './peers.mjs'
import { startOurs } from './subject.mjs'

/** Options of benches that are about steps. */
export const stepOptions = {
  size: { type: 'string', default: Object.keys(sizes).join() },
  compute: { type: 'string', default: 'f32,bf16' },
}

/** Steps that are measured at once: so many that a round takes about as long for each size. */
export const stepsOf = { '0.16B': 2, '50M': 4, '5M': 20 }

/** The { size, compute } that were asked for. */
export const casesOf = ({ size, compute }) =>
  size.split(',').flatMap((size) => compute.split(',').map((compute) => ({ size, compute })))

/**
 * Runs `body(ours, startTheirs)`, where `startTheirs(compiled)` starts PyTorch on the same model and batches; with
 * `warmUp` steps of ours, from the weights that these led to. Processes and files are gone afterwards.
 */
export async function withSides({ size, compute, warmUp }, body) {
  const folder = await mkdtemp(join(tmpdir(), 'step-bench-'))
  const subjects = [startOurs('step', { size, compute })]
  try {
    const [ours] = subjects
    const shared = await ours.ask({ folder, warmUp })
    return await body(ours, (compiled) => {
      subjects.push(startPeer('step', { ...shared, compute, compiled }))
      return subjects.at(-1)
    })
  } finally {
    await Promise.all(subjects.map((subject) => subject.end()))
    await rm(folder, { recursive: true, force: true })
  }
}
