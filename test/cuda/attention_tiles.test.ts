// The lists of attention's tiles: made once for the spans of a batch, and anew for any others.
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { attention, type AttentionSpans } from '../../lib/ops/attention.js'
import { fence, withDevice } from '../../lib/tensor/device.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { type HostArray, randomArray, toTensor } from '../host_array.js'
import { attentionReference, type HostSpans, packedSpans } from '../reference/attention.js'
import { newTraining } from '../training/new_training.js'
import { dataset } from '../training/synthetic_dataset.js'
import { settings, tinyConfig } from './tiny_training.js'

// The simulated driver reads them when it is first called. It adds a line for each launch.
const lines = join(mkdtempSync(join(tmpdir(), 'launches-')), 'lines')
process.env['TRANSFUSION_SIMULATOR_COUNTERS'] = lines
process.env['TRANSFUSION_SIMULATOR_DEVICES'] = '2'

const launchesOf = (kernel: string): number =>
  existsSync(lines)
    ? readFileSync(lines, 'utf8')
        .split('\n')
        .filter((line) => line && (JSON.parse(line) as { kernel: string }).kernel === kernel).length
    : 0

/** How often tiles were listed while `run` ran. */
async function listings(run: () => unknown): Promise<number> {
  await fence()
  const before = launchesOf('attention_cut')
  await run()
  await fence()
  return launchesOf('attention_cut') - before
}

const upload = (spans: HostSpans): AttentionSpans => ({
  keyStart: fromArray(spans.keyStart),
  keyEnd: fromArray(spans.keyEnd),
  queryRows: fromArray(spans.queryRows),
  keyRows: fromArray(spans.keyRows),
})

const T = 80
const arrays = { q: randomArray([T, 2, 16], 1), k: randomArray([T, 1, 16], 2), v: randomArray([T, 1, 16], 3) }
const on = (array: HostArray): Tensor => toTensor(array, 'f32')

const compute = (spans: AttentionSpans): Tensor => attention(on(arrays.q), on(arrays.k), on(arrays.v), spans)

const checkResult = async (host: HostSpans, y: Tensor): Promise<void> =>
  compare('y', await y.readFloats(), attentionReference(arrays, host).data, 'f32')

const check = (spans: AttentionSpans, host: HostSpans): Promise<void> => checkResult(host, compute(spans))

const causal = packedSpans([[T]])
const image = packedSpans([[10, -60, 10]])

it.each([1, 3])('are made twice in a training step of %i layers', async (layers) => {
  using training = newTraining({ ...tinyConfig, layers }, settings(1), dataset, 'bf16')
  // Once for the forward pass, once for the backward pass.
  expect(await listings(() => training.trainer.run())).toBe(2)
})

it('are made once for the same spans, and anew for any that were written since', async () => {
  const spans = upload(causal)
  expect(await listings(() => check(spans, causal))).toBe(1)
  expect(await listings(() => check(spans, causal))).toBe(0)
  expect(
    await listings(async () => {
      spans.keyEnd.write(image.keyEnd)
      await check(spans, image)
    }),
  ).toBe(1)
  // The other way round, before the device has done what was asked of it.
  const first = compute(spans)
  spans.keyEnd.write(causal.keyEnd)
  await check(spans, causal)
  await checkResult(image, first)
})

it('are made anew for spans in the memory of others that were freed', async () => {
  const first = upload(causal)
  await check(first, causal)
  for (const tensor of Object.values(first) as Tensor[]) tensor.free()
  await check(upload(image), image)
})

it('are made for each call of other sizes, and stay while few are in use', async () => {
  const spans = upload(causal)
  const of = (heads: number) => {
    const x = zeros([T, heads, 1])
    const k = zeros([T, 1, 1])
    attention(x, k, k, spans)
  }
  expect(await listings(() => [1, 2, 3, 1, 2, 3, 3, 2, 1].forEach(of))).toBe(3)
  // More than are kept: memory is used again, whatever lies in it.
  await listings(() => Array.from({ length: 40 }, (_, i) => of(i + 1)))
  await check(spans, causal)
})

it('are made on each device', async () => {
  const [first, second] = ['cuda:0', 'cuda:1'] as const
  const onSecond = withDevice(second, () => compute(upload(image)))
  const onFirst = withDevice(first, () => compute(upload(causal)))
  await checkResult(image, onSecond)
  await checkResult(causal, onFirst)
})

it('are refused in each call with wrong spans', async () => {
  const spans = upload({ ...causal, keyEnd: causal.keyEnd.map((end) => (end === 40 ? 90 : end)) })
  const message = 'attention: key_end[39] must be in 39..80, received 90'
  const reads = [compute(spans).read(), compute(spans).read()]
  for (const read of reads) await expect(read).rejects.toThrow(message)
  const x = zeros([T, 1, 16])
  const [dq, dk, dv] = [zeros([T, 1, 16]), zeros([T, 1, 16]), zeros([T, 1, 16])]
  native.attention_backward(
    dq.handle,
    dk.handle,
    dv.handle,
    x.handle,
    x.handle,
    undefined,
    zeros([1, T]).handle,
    x.handle,
    x.handle,
    x.handle,
    spans.keyStart.handle,
    spans.keyEnd.handle,
    spans.queryRows.handle,
    spans.keyRows.handle,
    1,
  )
  for (const tensor of [dq, dk, dv])
    await expect(tensor.read()).rejects.toThrow('attention_backward: key_end[39]')
  spans.keyEnd.write(causal.keyEnd)
  await check(spans, causal)
})
