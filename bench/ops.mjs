// How close kernels bound by memory come to the read bandwidth: on tensors beyond the cache, the bytes that each must read
// and write over its time, against a sum over 128 MiB measured in turns with it. The time is the stream's, from a profile.
//   npm run bench -- ops [--only PATTERN] [--dtype f32|bf16] [--rounds 30] [--json FILE]
// "of read" is the share of bytes/s; a kernel that only reads can reach 1.00. Lines below 0.70 are marked.
import { fence, scope, startProfile, sum, trimMemory, full } from '../dist/entry/tensor.js'
import { fixed, giga, milliseconds, text, whole } from './common/format.mjs'
import { callKernel, opCases } from './common/op_cases.mjs'
import { openReport, parseOptions } from './common/report.mjs'
import { inTurns } from './common/turns.mjs'

const target = 0.7
const readElements = 2 ** 25

const {
  only = '',
  dtype,
  rounds = '30',
  json,
} = parseOptions({
  only: { type: 'string' },
  dtype: { type: 'string' },
  rounds: { type: 'string' },
})
const pattern = new RegExp(only)

/** Seconds in which the stream ran what `enqueue` calls. */
async function streamSeconds(enqueue) {
  await fence()
  const profile = startProfile()
  scope(enqueue)
  return (await profile.stop()).busy / 1000
}

const report = await openReport('ops', { json })
const reference = full([readElements], 1)
const rows = []
for (const { op, kernel, dtype: own, bytes, make } of opCases()) {
  if (!pattern.test(op) || (dtype ?? own) !== own) continue
  const made = scope(make)
  const { call, read } = await inTurns(
    {
      call: () => streamSeconds(() => callKernel(kernel, made)),
      read: () => streamSeconds(() => sum(reference)),
    },
    { rounds: Number(rounds) },
  )
  for (const tensor of made.flat()) tensor?.free?.()
  trimMemory()
  const share = bytes / call.best / ((4 * readElements) / read.best)
  rows.push({
    op,
    dtype: own,
    MB: bytes / 1e6,
    ms: call.best,
    'GB/s': bytes / call.best,
    'of read': share,
    '': share < target ? `below ${target.toFixed(2)}` : '',
  })
}
report.table(
  'kernels on tensors beyond the cache',
  { op: text, dtype: text, MB: whole, ms: milliseconds, 'GB/s': giga, 'of read': fixed(2), '': text },
  rows,
)
await report.close()
