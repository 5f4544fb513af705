// What recomputing blocks costs and saves: peak memory and time of a training step of a transformer of 12 layers, 512
// channels, on 1,024 positions. Each case runs in a process of its own, as the peak only rises.
//   npm run bench -- recompute
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { backward, cast, fromArray, memory, normal, ropeTable, scope, sum } from '../dist/entry/tensor.js'
import { AdamW, adamwSchema, ParameterArena, ParameterList, Transformer } from '../dist/entry/nn.js'
import { describeLimits, measureLimits } from './common/limits.mjs'

const [T, channels, heads] = [1024, 512, 8]
const sizes = { layers: 12, channels, heads, kvHeads: heads, feedForward: 1408, normEps: 1e-5 }
const steps = 5

async function measure(compute, recomputeBlocks) {
  const list = new ParameterList()
  const transformer = new Transformer(list, sizes)
  transformer.recomputeBlocks = recomputeBlocks
  const arena = new ParameterArena(list.parameters, compute)
  arena.initialize(0)
  const optimizer = new AdamW(arena, adamwSchema.parse({}))
  const ints = (...values) => fromArray(Int32Array.from(values))
  const positions = Array.from({ length: T }, (_, i) => i)
  const step = () =>
    scope(() => {
      const spans = {
        keyStart: fromArray(new Int32Array(T)),
        keyEnd: ints(...positions.map((i) => i + 1)),
        queryRows: ints(0, T),
        keyRows: ints(0, T),
      }
      const pairs = channels / heads / 2
      const frequencies = fromArray(Float32Array.from({ length: pairs }, (_, i) => 10_000 ** (-i / pairs)))
      const rope = ropeTable(
        fromArray(Float32Array.from(positions), [T, 1]),
        frequencies,
        fromArray(new Int32Array(pairs)),
      )
      const seeds = fromArray(Int32Array.of(1, 2, 3, 4), [1, 4])
      const x = cast(normal(ints(0, T), seeds, channels, T), compute)
      backward(cast(sum(transformer.forward(x, { rope, spans })), 'f32'))
      return optimizer.step(1e-4)
    }).readFloats()
  await step()
  const started = performance.now()
  for (let i = 0; i < steps; i++) await step()
  const { peak, live } = memory()
  return {
    peak: peak / 2 ** 20,
    weights: live / 2 ** 20,
    milliseconds: (performance.now() - started) / steps,
  }
}

const [compute, recomputed] = process.argv.slice(2)
if (compute) console.log(JSON.stringify(await measure(compute, recomputed === 'true')))
else {
  console.log(describeLimits(await measureLimits()))
  for (const type of ['f32', 'bf16'])
    for (const recompute of [false, true]) {
      const child = [fileURLToPath(import.meta.url), type, String(recompute)]
      const result = JSON.parse(execFileSync(process.execPath, child, { encoding: 'utf8' }))
      const activations = result.peak - result.weights
      console.log(
        `${type.padEnd(4)} ${recompute ? 'recomputed' : 'kept      '}  peak ${result.peak.toFixed(0)} MB, ` +
          `${activations.toFixed(0)} of them beside weights, gradients and moments; ${result.milliseconds.toFixed(0)} ms a step`,
      )
    }
}
