import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { library } from './program.js'

const script = fileURLToPath(new URL('seeded_training.mjs', import.meta.url))

it.each(['f32', 'bf16'])(
  'trains to the same bits in whatever order blocks, warps and streams run: %s',
  async (compute) => {
    const run = async (seed: number) => {
      const env = {
        ...process.env,
        NODE_OPTIONS: '',
        TRANSFUSION_CUDA_LIBRARY: library,
        TRANSFUSION_SIMULATOR_SEED: `${seed}`,
      }
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, compute], { env })
      expect(stderr).toBe('')
      return stdout
    }
    const first = await run(1)
    expect(first).toMatch(/^[0-9a-f]{64}\n$/)
    for (const seed of [2, 3]) expect(await run(seed)).toBe(first)
  },
)
