// Makes one script and one style of lib/reporting/browser, the chart library included: what a run's report holds.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vite'
import { root } from './run.mjs'

export default defineConfig({
  root,
  logLevel: 'warn',
  build: {
    lib: {
      entry: join(root, 'lib/reporting/browser/page.ts'),
      formats: ['iife'],
      name: 'page',
      fileName: () => 'page.js',
      cssFileName: 'page',
    },
    copyPublicDir: false,
    // The library's licence asks for its notice in every copy, which each report is.
    rolldownOptions: {
      output: { postBanner: `/*! uPlot\n${readFileSync(join(root, 'node_modules/uplot/LICENSE'))}*/` },
    },
  },
})
