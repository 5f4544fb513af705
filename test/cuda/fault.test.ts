// A kernel that the GPU stops, as it does at an address that is none, ends the device for this process. Here the
// simulator does so at values that nothing has written.
import { expect, it, vi } from 'vitest'
import { add } from '../../lib/ops/add.js'
import { scale } from '../../lib/ops/scale.js'
import { fence, memory } from '../../lib/tensor/device.js'
import { empty, full } from '../../lib/tensor/tensor.js'
import { runProgram } from './program.js'

const fault =
  'cuda:0 has failed: CUDA_ERROR_LAUNCH_FAILED (unspecified launch failure); ' +
  'the first that was not done: add f32 [5], f32 [5], f32 [5]'

it('rejects what was not done and what comes later, with the first call that may be why', async () => {
  const fine = full([5], 2)
  expect(await fine.read()).toEqual(new Float32Array(5).fill(2))
  const sum = add(fine, empty([5]))
  // It may have failed before this is launched.
  const doubled = (async () => scale(sum, 2).read())().then(String, String)
  await expect(sum.read()).rejects.toThrow(`add: ${fault}`)
  expect(await doubled).toMatch(/(add|scale): cuda:0 has failed: CUDA_ERROR_LAUNCH_FAILED /)
  await expect(fine.read()).rejects.toThrow(fault)
  await expect(fence()).rejects.toThrow(fault)
  await expect(async () => full([100_000], 1).read()).rejects.toThrow(fault)
  await vi.waitFor(() => expect(memory().pending).toBe(0))
  // The CPU goes on.
  expect(await full([2], 3, 'f32', 'cpu').read()).toEqual(Float32Array.of(3, 3))
})

it('names the kernel where each is waited for', async () => {
  const { stdout } = await runProgram(
    `const x = made(5), bad = native.create(0, [5], 1), y = native.create(0, [5], 1)
     native.add(y, x, bad)
     native.read(y).catch(({ message }) => console.log(message))`,
    { env: { TRANSFUSION_CUDA_SYNC: '1' } },
  )
  expect(stdout).toMatch(/^add: cuda:0 has failed: CUDA_ERROR_LAUNCH_FAILED .* in add_f32_f32\b/)
})
