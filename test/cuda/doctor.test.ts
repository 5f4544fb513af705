import { expect, it } from 'vitest'
import { command } from '../cli/command.js'

it('says which GPUs there are, what runs on them, and which one is the default', async () => {
  const { code, stdout, stderr } = await command(['doctor'], { env: { TRANSFUSION_SIMULATOR_DEVICES: '2' } })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  for (const name of ['cuda:0', 'cuda:1'])
    expect(stdout).toMatch(
      new RegExp(
        `^${name}: .*\\n  kernels: PTX; compute capability 8.0, \\d+ multiprocessors\\n  driver: of CUDA 12.0\\n  cuBLASLt: none, with another driver .*\\n  memory: `,
        'm',
      ),
    )
  expect(stdout).not.toMatch(/^cuda: none/m)
  expect(stdout).toMatch(/^what names no device runs on cuda:0: TRANSFUSION_DEVICE says so$/m)
})

it('says why there is none where the driver cannot be loaded', async () => {
  const { code, stdout } = await command(['doctor'], {
    env: { TRANSFUSION_CUDA_DRIVER: '/nothing/libcuda.so.1' },
  })
  expect(code).toBe(1)
  expect(stdout).toMatch(
    /^cuda: none, TRANSFUSION_CUDA_DRIVER cannot be loaded \(\/nothing\/libcuda\.so\.1: /m,
  )
})
