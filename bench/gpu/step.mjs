// The slice `step`: training steps of 4096 positions through the Trainer, beside PyTorch's on the same batches: eager with a
// dense mask, and compiled with FlexAttention; in bf16, AdamW fused.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { paperVocabulary, presets } from '../../dist/index.js'
import { sidesOf, tinySize } from './sides.mjs'
import { openResults } from './watched.mjs'

const { vocabulary } = paperVocabulary
const cases = {
  '0.16B': { size: { ...presets['0.16B'], vocabulary }, batchTokens: 4096, steps: 20 },
  '0.76B': { size: { ...presets['0.76B'], vocabulary }, batchTokens: 4096, steps: 8 },
}
const tinyCases = { tiny: { size: tinySize, batchTokens: 96, positions: 48, steps: 2 } }

const peers = {
  'PyTorch eager, dense mask': { compiled: false, flex: false },
  'PyTorch compiled, FlexAttention': { compiled: true, flex: true },
}
// FlexAttention has no backward pass on CPUs.
const tinyPeers = { ...peers, 'PyTorch compiled, FlexAttention': { compiled: true, flex: false } }

export async function measureSteps(context) {
  const results = openResults(join(context.folder, 'step.json'), 'step')
  const sides = sidesOf(context, results)
  const sizes = Object.entries(context.tiny ? tinyCases : cases)
  const folder = await mkdtemp(join(tmpdir(), 'step-gpu-'))
  // What ours says of its batches, which the peers train on.
  const shared = {}
  const measure = async (ask, size, side, steps) => {
    const options = { rounds: context.tiny ? 1 : 5, warmUp: { steps: 4 } }
    const { best, median, answer } = await sides.measure(ask, { steps }, options)
    const { flops, positions } = { ...shared[size], ...answer }
    Object.assign(shared[size], { flops, positions })
    const { peakMemory, losses } = answer
    console.log(`  ${size}, ${side}: ${(best * 1e3).toFixed(1)} ms a step`)
    results.add({ size, side, best, median, flops, positions, peakMemory, losses: losses.at(-1) })
  }
  for (const [size, { steps, ...options }] of sizes) {
    await sides.run(
      `${size}, ours`,
      () => sides.startOurs('step', options),
      async (ask) => {
        const batches = join(folder, size)
        await mkdir(batches)
        shared[size] = await ask({ folder: batches, warmUp: 0 })
        await measure(ask, size, 'ours', steps)
      },
    )
    if (!shared[size]) continue
    await sides.run(
      `${size}, ours: own products`,
      () => sides.startOurs('step', { ...options, products: 'own' }),
      (ask) => measure(ask, size, 'ours, without cuBLASLt', steps),
    )
  }
  // Theirs after all of ours: to compile them takes long.
  for (const [side, how] of Object.entries(context.tiny ? tinyPeers : peers))
    for (const [size, { steps }] of sizes) {
      if (!shared[size] || !sides.torch) continue
      const { config, batches } = shared[size]
      await sides.run(
        `${size}, ${side}`,
        () => sides.startPeer('step', { config, batches, ...how }),
        (ask) => measure(ask, size, side, steps),
      )
    }
  await rm(folder, { recursive: true, force: true })
  return results.problems()
}
