// Why CUDA is not there: each cause says so in its own words, to programs and in `transfusion doctor`.
import { execFile } from 'node:child_process'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { version } from '../../lib/version.js'
import { command } from '../cli/command.js'
import { temporaryFolder } from '../temporary_folder.js'
import { library, runProgram } from './program.js'

const native = fileURLToPath(new URL('../../native', import.meta.url))

type Env = Record<string, string>

const problemWith = async (env: Env) =>
  JSON.parse(
    (await runProgram('console.log(JSON.stringify(problem))', { env, open: false })).stdout,
  ) as string

/** `transfusion doctor`, with its lines that begin with "cuda". */
async function doctor(env: Env) {
  const all = { TRANSFUSION_DEVICE: '', TRANSFUSION_CUDA_LIBRARY: library, ...env }
  const { code, stdout, stderr } = await command(['doctor'], { env: all })
  return { code, stderr, lines: stdout.split('\n').filter((line) => line.startsWith('cuda')) }
}

/** A library whose table begins with these words: as of another build of this one. */
async function libraryOf(...words: string[]): Promise<string> {
  const folder = await temporaryFolder()
  const [source, path] = [join(folder, 'library.c'), join(folder, 'library.so')]
  await writeFile(
    source,
    `const void* transfusion_cuda_library() { static unsigned long long table[8] = {${words}}; return table; }\n`,
  )
  await promisify(execFile)('cc', ['-shared', '-fPIC', '-o', path, source])
  return path
}

/** The backend's table, its version apart, as it is built of these sources once their device.h is changed. */
async function libraryOfHeaders(change: (text: string) => string): Promise<string> {
  const folder = await temporaryFolder()
  await cp(native, folder, { recursive: true })
  const header = join(folder, 'device.h')
  await writeFile(header, change(await readFile(header, 'utf8')))
  await writeFile(
    join(folder, 'table.cc'),
    `#include "cuda_library.h"
     #include "interface_hash.h"
     extern "C" __attribute__((visibility("default"))) const transfusion::CudaLibrary* transfusion_cuda_library() {
       static const transfusion::CudaLibrary library{
           .size = sizeof library, .hash = transfusion::interface_hash(), .version = "of a test"};
       return &library;
     }`,
  )
  const options = ['-std=c++20', '-shared', '-fPIC', '-fvisibility=hidden', `-I${folder}`, '-o', 'library.so']
  await promisify(execFile)('c++', [...options, 'table.cc', 'interface_hash.cc'], { cwd: folder })
  return join(folder, 'library.so')
}

const otherBuild = /library\.so is of another build than the addon: build both again$/

describe.each<[string, Env | (() => Promise<Env>), RegExp]>([
  [
    'a library that is another one',
    { TRANSFUSION_CUDA_LIBRARY: process.env['TRANSFUSION_CUDA_DRIVER']! },
    /libsimulated_cuda\.so is not the library of the CUDA backend: it lacks transfusion_cuda_library$/,
  ],
  [
    'a library with a smaller table',
    async () => ({ TRANSFUSION_CUDA_LIBRARY: await libraryOf('8') }),
    otherBuild,
  ],
  [
    'a library with other kernels',
    async () => ({ TRANSFUSION_CUDA_LIBRARY: await libraryOf('64', '1') }),
    otherBuild,
  ],
  [
    'a library whose devices have another function first',
    async () => ({
      TRANSFUSION_CUDA_LIBRARY: await libraryOfHeaders((text) =>
        text.replace('  // These on any thread.', '  virtual void more() {}\n$&'),
      ),
    }),
    otherBuild,
  ],
  [
    'a library of the same headers, and another version',
    async () => ({ TRANSFUSION_CUDA_LIBRARY: await libraryOfHeaders((text) => text) }),
    /library\.so is of version of a test, this is transfusion-js /,
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
    /^it is no CUDA driver: it lacks cuDriverGetVersion$/,
  ],
  ...['11080', '9000', '0'].map((version): [string, Env, RegExp] => [
    `a driver that is too old: ${version}`,
    { TRANSFUSION_SIMULATOR_VERSION: version },
    new RegExp(
      `^the NVIDIA driver is too old: it is for CUDA ${Math.floor(+version / 1000)}\\.${(+version % 1000) / 10}, at least CUDA 12\\.0 \\(driver 525\\) is needed$`,
    ),
  ]),
  [
    'a setting that is none',
    { TRANSFUSION_CUDA_SYNC: 'yes' },
    /^TRANSFUSION_CUDA_SYNC must be 0 or 1, or not set, received "yes"$/,
  ],
  [
    'images that are none',
    { TRANSFUSION_CUDA_IMAGES: 'ptx' },
    /^TRANSFUSION_CUDA_IMAGES must be PTX or machine code, or not set, received "ptx"$/,
  ],
  ['no GPU', { TRANSFUSION_SIMULATOR_DEVICES: '0' }, /^the NVIDIA driver finds no GPU on this machine$/],
  [
    'GPUs that are hidden',
    { TRANSFUSION_SIMULATOR_DEVICES: '0', CUDA_VISIBLE_DEVICES: '7' },
    /^the NVIDIA driver shows no GPU under CUDA_VISIBLE_DEVICES="7"$/,
  ],
])('%s', (_, environment, problem) => {
  it('says so', async () => {
    const env = typeof environment === 'function' ? await environment() : environment
    expect(await problemWith(env)).toMatch(problem)
    const { code, stderr, lines } = await doctor(env)
    expect({ code, stderr, lines: lines.length }).toEqual({ code: 0, stderr: '', lines: 1 })
    expect(lines[0]).toMatch(/^cuda: none, /)
    expect(lines[0]!.slice('cuda: none, '.length)).toMatch(problem)
  })
})

it('is there', async () => {
  expect(await problemWith({})).toBe('')
  expect((await doctor({})).lines).toEqual(['cuda:0: Simulated GPU (compute 8.0)'])
})

it('says where there is no library', async () => {
  const env = { TRANSFUSION_CUDA_LIBRARY: '/nowhere.so' }
  expect(await problemWith(env)).toMatch(/^its library cannot be loaded \(\/nowhere\.so: cannot open/)
  expect((await doctor(env)).lines).toEqual([
    'cuda: none, this build has no CUDA backend: TRANSFUSION_CUDA_LIBRARY=/nowhere.so names no file',
  ])
})

it('is told apart by all headers of ours that its table includes', async () => {
  const textOf = (name: string) => readFile(join(native, name), 'utf8')
  const included = new Set(['cuda_library.h'])
  for (const name of included)
    for (const [, other] of (await textOf(name)).matchAll(/^#include "(.+)"$/gm)) included.add(other!)
  const hashed = [...(await textOf('interface_hash.cc')).matchAll(/\.incbin \\"(.+)\\"/g)].map(
    ([, name]) => name,
  )
  expect(hashed).toEqual([...included].toSorted())
})

it('is refused where it was built for another version', async () => {
  const { stdout } = await runProgram(
    `console.log(native.open_cuda(process.env.TRANSFUSION_CUDA_LIBRARY, '0.0.0', ''))`,
    { open: false, env: { TRANSFUSION_CUDA_DRIVER: '/nowhere.so' } },
  )
  expect(stdout).toMatch(
    new RegExp(`libtransfusion_cuda\\.so is of version ${version}, this is transfusion-js 0\\.0\\.0\\n$`),
  )
})

it('refuses GPUs that are too old, beside others', async () => {
  const env = { TRANSFUSION_SIMULATOR_DEVICES: '3', TRANSFUSION_SIMULATOR_COMPUTE: '75,90,61' }
  const refusal = (capability: string) =>
    `Simulated GPU (compute ${capability}) has compute capability ${capability}, at least 8.0 (Ampere) is needed`
  expect(await doctor(env)).toEqual({
    code: 0,
    stderr: '',
    lines: [
      `cuda:0: not usable, ${refusal('7.5')}`,
      'cuda:1: Simulated GPU (compute 9.0)',
      `cuda:2: not usable, ${refusal('6.1')}`,
    ],
  })
  // The default device is one of them.
  expect(await doctor({ ...env, TRANSFUSION_DEVICE: 'cuda' })).toMatchObject({ code: 1 })
  const { code, stderr } = await command(['sample', 'nothing', 'text', '--device', 'cuda:2'], { env })
  expect(code).toBe(1)
  expect(stderr).toContain(`device must be 'cpu' or 'cuda:1', received "cuda:2": ${refusal('6.1')}`)
})

it('has as many devices as the driver shows', async () => {
  const { stdout } = await runProgram(
    'console.log(native.devices().map(({ name }) => name).join()); native.open_device(3); native.open_device(4)',
    { env: { TRANSFUSION_SIMULATOR_DEVICES: '3' } },
  )
  expect(stdout).toBe('cpu,cuda:0,cuda:1,cuda:2\n')
})
