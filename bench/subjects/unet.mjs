// The two halves of a U-Net, forward and backward (lib/nn/unet.ts).
//   { count, side, inputs, channels, blocks, heads, compute }, then { repeats } -> { seconds (the best), flops, kernels (of
//   all repeats, as kernelTotals has them), rate, peakMemory }
import { backpropagate } from '../../dist/autograd/tape.js'
import { cast, fence, fromArray, keep, normal, scope, startProfile } from '../../dist/entry/tensor.js'
import { ParameterArena, ParameterList, UNetDown, UNetUp } from '../../dist/entry/nn.js'
import { kernelTotals } from '../../dist/profiling/profile_table.js'
import { measureMatmulRate } from '../../dist/reporting/matmul_rate.js'
import { serve } from '../common/subject.mjs'
import { bestOf } from '../common/turns.mjs'

await serve(({ count, side, inputs, channels, blocks, heads, compute }) => {
  const timestepChannels = 4 * channels[0]
  const sizes = { channels, blocks, heads, timestepChannels }
  const list = new ParameterList()
  const down = new UNetDown(list.under('down'), inputs, sizes)
  const up = new UNetUp(list.under('up'), inputs, sizes)
  const arena = new ParameterArena(list.parameters, compute)
  arena.initialize(0)
  void arena.gradients

  const random = (number, ...shape) =>
    scope(() => {
      const rows = shape.slice(0, -1).reduce((a, b) => a * b)
      const seeds = fromArray(Int32Array.of(number, 0, 0, 0), [1, 4])
      const values = normal(fromArray(Int32Array.of(0, rows)), seeds, shape.at(-1), rows)
      return keep(cast(values.view(shape), compute))
    })
  const low = side / 2 ** (channels.length - 1)
  const x = random(1, count, side, side, inputs)
  // What the transformer would make of the lowest level.
  const vectors = random(2, count, low, low, channels.at(-1))
  const timestep = random(3, count, timestepChannels)
  const dy = random(4, count, side, side, inputs)
  const begins = fromArray(Int32Array.from({ length: count + 1 }, (_, i) => i * low ** 2))
  const spans = {
    keyStart: fromArray(new Int32Array(count * low ** 2)),
    keyEnd: fromArray(new Int32Array(count * low ** 2).fill(low ** 2)),
    queryRows: begins,
    keyRows: begins,
  }
  const both = async () => {
    scope(() => {
      const levels = down.forward(x, { timestep, spans })
      const skips = levels.slice(0, -1)
      // The lowest level goes to the transformer, whose gradient of it is here as large as of what comes back.
      const y = up.forward(vectors, skips, { timestep, spans })
      backpropagate([y, levels.at(-1)], [dy, vectors], {})
    })
    await fence()
  }
  return async ({ repeats }) => {
    const profile = startProfile()
    for (let i = 0; i < repeats; i++) await both()
    const kernels = kernelTotals(await profile.stop())
    return {
      seconds: await bestOf(both, repeats),
      flops: kernels.reduce((sum, kernel) => sum + kernel.flops, 0) / repeats,
      kernels,
      rate: await measureMatmulRate(compute),
      peakMemory: process.resourceUsage().maxRSS * 1024,
    }
  }
})
