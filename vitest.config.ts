import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // One process per file, two at a time: each brings a team of OpenMP threads, which must not spin.
    pool: 'forks',
    maxWorkers: 2,
    env: {
      OMP_WAIT_POLICY: 'passive',
      NODE_OPTIONS: `--import ${new URL('test/typescript_workers/register.mjs', import.meta.url)}`,
    },
    // Far beyond what a test takes alone: other work may hold the cores.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
