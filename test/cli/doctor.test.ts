import { expect, it } from 'vitest'
import { memory } from '../../lib/tensor/device.js'
import { command, type CommandOptions } from './command.js'
import { scriptedFolder } from './scripted_folder.js'

const doctor = (args: readonly string[], options: CommandOptions = {}) =>
  command(['doctor', ...args], options)

it('says what the CPU is, what tensors may take of its memory, and why there are no GPUs', async () => {
  const { code, stdout, stderr } = await doctor([])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(
    /^cpu: .+\n {2}kernels: \w+, on \d+ processors?\n {2}bf16 products: .+\n {2}memory: /m,
  )
  expect(stdout).toMatch(/^cuda: none, this build has no CUDA backend: .+$/m)
  expect(stdout).toMatch(/^libraries: .*libdnnl/m)
  expect(stdout).toMatch(/^what names no device runs on cpu: TRANSFUSION_DEVICE is not set$/m)
})

it('says where there is memory for a model, and what is no model', async () => {
  const cwd = await scriptedFolder()
  const fits = await doctor(['model'], { cwd })
  expect(fits.code).toBe(0)
  expect(fits.stdout).toMatch(/^model: [\d,]+ parameters$/m)
  expect(fits.stdout).toMatch(/^ {2}training in bf16: .+: cpu$/m)
  const none = await doctor(['nothing'], { cwd })
  expect(none).toMatchObject({ code: 1, stdout: expect.stringContaining('\nnothing: no such folder; ') })
})

it('prints the same as JSON', async () => {
  const cwd = await scriptedFolder()
  const { code, stdout } = await doctor(['model', 'nothing', '--json'], { cwd })
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({
    node: process.version,
    devices: [{ name: 'cpu', info: { processors: expect.any(Number) }, memory: memory('cpu').limit }],
    cuda: expect.stringContaining('no CUDA backend'),
    default: { device: 'cpu' },
    models: [
      { folder: 'model', parameters: expect.any(Number) },
      { folder: 'nothing', problem: expect.any(String) },
    ],
  })
})

it('fails where the device that the environment names is not there', async () => {
  const { code, stdout } = await doctor([], { env: { TRANSFUSION_DEVICE: 'cuda:1' } })
  expect(code).toBe(1)
  expect(stdout).toMatch(
    /^what names no device runs on cuda:1: TRANSFUSION_DEVICE says so, but .*no CUDA backend/m,
  )
})
