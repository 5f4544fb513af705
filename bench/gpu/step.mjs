// The slice `step`: training steps of 4096 positions through the Trainer, beside PyTorch's on the same batches: eager with a
// dense mask, and compiled with FlexAttention; in bf16, AdamW fused.
import { mkdtemp, rm } from 'node:fs/promises'
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
  for (const [size, { steps, ...options }] of Object.entries(context.tiny ? tinyCases : cases)) {
    const folder = await mkdtemp(join(tmpdir(), 'step-gpu-'))
    let shared
    const measure = (side) => async (ask) => {
      if (side === 'ours') shared = await ask({ folder, warmUp: 0 })
      const rounds = context.tiny ? 1 : 5
      const { best, median, answer } = await sides.measure(ask, { steps }, { rounds, warmUp: { steps: 4 } })
      shared = {
        ...shared,
        flops: answer.flops ?? shared.flops,
        positions: answer.positions ?? shared.positions,
      }
      const { flops, positions } = shared
      const { peakMemory, losses } = answer
      const row = { size, side, best, median, flops, positions, peakMemory, losses: losses.at(-1) }
      console.log(`  ${size} ${side}: ${(best * 1e3).toFixed(1)} ms a step`)
      results.add(row)
    }
    await sides.run(
      `${size}, ours`,
      () => sides.startOurs('step', { compute: 'bf16', ...options }),
      measure('ours'),
    )
    if (shared && sides.torch)
      for (const [side, how] of Object.entries(context.tiny ? tinyPeers : peers)) {
        const { config, batches } = shared
        await sides.run(
          `${size}, ${side}`,
          () => sides.startPeer('step', { config, batches, ...how }),
          measure(side),
        )
      }
    await rm(folder, { recursive: true, force: true })
  }
  return results.problems()
}
