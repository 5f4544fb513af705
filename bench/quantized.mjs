// What quantised weights save in products: all those of a transformer's layers for one token, for 8 texts at once and for a
// prompt, with weights of each dtype in turns with bf16.
//   npm run bench -- quantized [--channels 768] [--feed-forward 2048] [--layers 12] [--rows 1,8,512] [--threads 1,2]
//     [--dtypes int8,q8_0,q4_1] [--rounds 9] [--json FILE]
import { cast, fence, fromArray, linear, noGrad, scope, setThreads } from '../dist/entry/tensor.js'
import { giga, milliseconds, text, times, whole } from './common/format.mjs'
import { numbersOf, openReport, parseOptions } from './common/report.mjs'
import { inTurns } from './common/turns.mjs'

const options = parseOptions({
  channels: { type: 'string', default: '768' },
  'feed-forward': { type: 'string', default: '2048' },
  layers: { type: 'string', default: '12' },
  rows: { type: 'string', default: '1,8,512' },
  threads: { type: 'string', default: '1,2' },
  dtypes: { type: 'string', default: 'int8,q8_0,q4_0,q4_1' },
  rounds: { type: 'string', default: '9' },
})
const [C, F, layers, rounds] = [
  options.channels,
  options['feed-forward'],
  options.layers,
  options.rounds,
].map(Number)
const dtypes = ['bf16', ...options.dtypes.split(',').filter(Boolean)]

function randomMatrix(shape, dtype) {
  const wide = fromArray(
    Float32Array.from({ length: shape[0] * shape[1] }, () => Math.random() - 0.5),
    shape,
  )
  const matrix = cast(wide, dtype)
  wide.free()
  return matrix
}

/** [outputs, inputs] of a layer: queries, keys and values; output; gate and up; down. */
const shapes = [
  [3 * C, C],
  [C, C],
  [2 * F, C],
  [C, F],
]
const weights = Object.fromEntries(
  dtypes.map((dtype) => [
    dtype,
    Array.from({ length: layers }, () => shapes.map((shape) => randomMatrix(shape, dtype))).flat(),
  ]),
)

const columns = {
  weights: text,
  rows: whole,
  threads: whole,
  ms: milliseconds,
  'GB/s': giga,
  'over bf16': times,
}
const report = await openReport('quantized', options)
const table = []
for (const threads of numbersOf(options.threads)) {
  setThreads(threads)
  for (const rows of numbersOf(options.rows)) {
    const inputs = new Map([C, F].map((width) => [width, randomMatrix([rows, width], 'bf16')]))
    const cases = Object.fromEntries(
      dtypes.map((dtype) => [
        dtype,
        async () => {
          noGrad(() =>
            scope(() => void weights[dtype].forEach((weight) => linear(inputs.get(weight.size(1)), weight))),
          )
          await fence()
        },
      ]),
    )
    const measured = await inTurns(cases, { rounds })
    for (const dtype of dtypes) {
      const bytes = weights[dtype].reduce((sum, weight) => sum + weight.bytes, 0)
      const { best } = measured[dtype]
      table.push({
        weights: dtype,
        rows,
        threads,
        ms: best,
        'GB/s': bytes / best,
        'over bf16': measured.bf16.best / best,
      })
    }
  }
}
report.table(`products of ${layers} layers of ${C} channels, feed-forward ${F}, x in bf16`, columns, table)
await report.close()
