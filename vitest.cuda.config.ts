// The tests of `npm run test:cuda`: the ops with 'cuda' as the default device, and test/cuda, on the simulated driver. Its seed
// decides in which order blocks, warps and streams go on: the ops hold under each.
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const env = {
  OMP_WAIT_POLICY: 'passive',
  NODE_OPTIONS: `--import ${new URL('test/typescript_workers/register.mjs', import.meta.url)}`,
  // Another build of it is tried with the same tests.
  TRANSFUSION_CUDA_DRIVER: process.env['TRANSFUSION_CUDA_DRIVER'] ?? file('build/cuda/libsimulated_cuda.so'),
  TRANSFUSION_DEVICE: 'cuda',
}

const opsWithSeed = (seed: string) => ({
  extends: true as const,
  test: {
    name: `seed ${seed}`,
    include: ['test/ops/*.test.ts'],
    env: { ...env, TRANSFUSION_SIMULATOR_SEED: seed },
  },
})

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'cuda', include: ['test/ops/*.test.ts', 'test/cuda/**/*.test.ts'] } },
      opsWithSeed('2'),
      opsWithSeed('3'),
    ],
    pool: 'forks',
    maxWorkers: 2,
    env,
    // Far beyond what a test takes alone: other work may hold the cores.
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
})
