import { existsSync, readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const env = {
  OMP_WAIT_POLICY: 'passive',
  // Wherever the tests run: the GPU's have a config of their own.
  TRANSFUSION_CUDA_LIBRARY: 'none',
  NODE_OPTIONS: `--import ${new URL('test/typescript_workers/register.mjs', import.meta.url)}`,
}

/** Intel AMX: other CPUs with AVX-512 run the ops without it as it is. */
const hasMatrixRegisters =
  existsSync('/proc/cpuinfo') && readFileSync('/proc/cpuinfo', 'utf8').includes(' amx_bf16')

/** The ops and the CPU's own parts with dispatch forced down to what older CPUs have. */
const forced = (simd: string) => ({
  extends: true as const,
  test: {
    name: simd,
    include: ['test/ops/*.test.ts', 'test/cpu/*.test.ts'],
    env: { ...env, TRANSFUSION_SIMD: simd },
  },
})

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'native',
          // Those of test/cuda are of `npm run test:cuda`. By pattern: an `exclude` here would set aside --exclude.
          include: ['test/*.test.ts', 'test/!(cuda)/**/*.test.ts'],
        },
      },
      ...(hasMatrixRegisters ? [forced('avx512')] : []),
      forced('avx2'),
      forced('baseline'),
    ],
    // One process per file, two at a time: each brings a team of OpenMP threads, which must not spin.
    pool: 'forks',
    maxWorkers: 2,
    env,
    // Far beyond what a test takes alone: other work may hold the cores.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
