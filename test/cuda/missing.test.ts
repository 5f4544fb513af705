// Why CUDA is not there: each cause says so in its own words.
import { expect, it } from 'vitest'
import { library, runProgram } from './program.js'

const problemWith = async (env: Record<string, string>) =>
  JSON.parse(
    (await runProgram('console.log(JSON.stringify(problem))', { env, open: false })).stdout,
  ) as string

it('is there', async () => {
  expect(await problemWith({})).toBe('')
})

it.each<[string, Record<string, string>, RegExp | string]>([
  [
    'no library',
    { TRANSFUSION_CUDA_LIBRARY: '/nowhere.so' },
    /^its library cannot be loaded \(\/nowhere\.so: cannot open/,
  ],
  [
    'a library that is another one',
    { TRANSFUSION_CUDA_LIBRARY: process.env['TRANSFUSION_CUDA_DRIVER']! },
    /libsimulated_cuda\.so is not the library of the CUDA backend: it lacks transfusion_cuda_library$/,
  ],
  ['no driver', { TRANSFUSION_CUDA_DRIVER: '' }, /^there is no NVIDIA driver \(libcuda\.so\.1: cannot open/],
  [
    'no driver where one is named',
    { TRANSFUSION_CUDA_DRIVER: '/nowhere.so' },
    /^TRANSFUSION_CUDA_DRIVER cannot be loaded \(\/nowhere\.so: cannot open/,
  ],
  [
    'a library that is no driver',
    { TRANSFUSION_CUDA_DRIVER: library },
    'it is no CUDA driver: it lacks cuDriverGetVersion',
  ],
  [
    'a driver that is too old',
    { TRANSFUSION_SIMULATOR_VERSION: '11080' },
    'the NVIDIA driver is too old: it is for CUDA 11.8, at least CUDA 12.0 (driver 525) is needed',
  ],
  ['no GPU', { TRANSFUSION_SIMULATOR_DEVICES: '0' }, 'the NVIDIA driver finds no GPU on this machine'],
  [
    'GPUs that are hidden',
    { TRANSFUSION_SIMULATOR_DEVICES: '0', CUDA_VISIBLE_DEVICES: '7' },
    'the NVIDIA driver shows no GPU under CUDA_VISIBLE_DEVICES="7"',
  ],
])('is not there: %s', async (_, env, problem) => {
  expect(await problemWith(env)).toMatch(problem)
})

it('is refused where it was built for another version', async () => {
  const { stdout } = await runProgram(
    `console.log(native.open_cuda(process.env.TRANSFUSION_CUDA_LIBRARY, '0.0.0', ''))`,
    { open: false, env: { TRANSFUSION_CUDA_DRIVER: '/nowhere.so' } },
  )
  expect(stdout).toMatch(/libtransfusion_cuda\.so is of version \S+, this is transfusion-js 0\.0\.0\n$/)
})

it('has as many devices as the driver shows', async () => {
  const { stdout } = await runProgram(
    'console.log(native.devices().map(({ name }) => name).join()); native.open_device(3); native.open_device(4)',
    { env: { TRANSFUSION_SIMULATOR_DEVICES: '3' } },
  )
  expect(stdout).toBe('cpu,cuda:0,cuda:1,cuda:2\n')
})
