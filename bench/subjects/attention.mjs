// Attention forward and backward over one sequence, which sees itself through images (lib/ops/attention.ts).
//   { heads, headSize, keyEnd, compute }, then { repeats } -> { seconds (the best), rate, peakMemory, tensors }
import { backpropagate, leafOf } from '../../dist/autograd/tape.js'
import { attention, cast, fence, fromArray, memory, normal, scope } from '../../dist/entry/tensor.js'
import { measureMatmulRate } from '../../dist/reporting/matmul_rate.js'
import { serve } from '../common/subject.mjs'
import { bestOf } from '../common/turns.mjs'

await serve(({ heads, headSize, keyEnd, compute }) => {
  const T = keyEnd.length
  const ints = (...values) => fromArray(Int32Array.from(values))
  const random = (number) =>
    scope(() => {
      const values = normal(
        ints(0, T),
        fromArray(Int32Array.of(number, 0, 0, 0), [1, 4]),
        heads * headSize,
        T,
      )
      return cast(values, compute).view([T, heads, headSize])
    })
  const [q, k, v, dy] = [1, 2, 3, 4].map(random)
  const spans = {
    keyStart: fromArray(new Int32Array(T)),
    keyEnd: ints(...keyEnd),
    queryRows: ints(0, T),
    keyRows: ints(0, T),
  }
  const both = async () => {
    scope(() => {
      const leaves = { q: leafOf(q), k: leafOf(k), v: leafOf(v) }
      const y = attention(leaves.q, leaves.k, leaves.v, spans)
      backpropagate([y], [dy], leaves)
    })
    await fence()
  }
  return async ({ repeats }) => {
    const seconds = await bestOf(both, repeats)
    const { peak } = memory()
    const rate = await measureMatmulRate(compute)
    return { seconds, rate, peakMemory: process.resourceUsage().maxRSS * 1024, tensors: peak }
  }
})
