// What cuda/REPORT.md lets one expect of a GPU, beside what is measured.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bandwidthShare, gpus } from '../../scripts/cuda/prediction.mjs'

const reportPath = fileURLToPath(new URL('../../cuda/REPORT.md', import.meta.url))

/** The cells of a table's rows that begin with a text that `pattern` finds. */
const rowsOf = (report, pattern) =>
  report
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    )
    .filter(([first]) => pattern.test(first))

/** Which of the GPUs that are predicted a device is: 'H200' of 'NVIDIA H200'; undefined for others. */
export const gpuOf = (name) => Object.keys(gpus).find((gpu) => new RegExp(`\\b${gpu}\\b`).test(name))

/** The share of mma.sync's rate that the main loop of a kernel allows, the best of those that match; undefined without any. */
function shareOf(report, pattern, gpu) {
  const column = gpus[gpu].architecture === 80 ? 'A100' : 'H100'
  const header = rowsOf(report, /^kernel$/).find((cells) => cells.includes('HMMA')) ?? []
  const place = header.findIndex((cell) => cell.startsWith(column))
  const shares = rowsOf(report, pattern)
    .map((cells) => Number.parseFloat(cells[place]) / 100)
    .filter((share) => share > 0 && share <= 1)
  return shares.length > 0 ? Math.max(...shares) : undefined
}

/** Products that attention's backward pass computes for each that is counted: scores and dp twice. */
const backwardProducts = 7 / 5

/**
 * The kernels that a measured case runs: a pattern for each, of which the best form counts, and the products that they compute for
 * each that is counted.
 */
function kernelsOf(name) {
  const product = /^matmul (nn|nt|tn)/.exec(name)
  if (product)
    return { patterns: [new RegExp(`^matmul_bf16_${product[1]}_(large|medium|small)$`)], products: 1 }
  const attention = /^attention(_backward)? \[.*, (\d+)\]/.exec(name)
  if (!attention) return undefined
  const [, backward, D] = attention
  return backward
    ? {
        patterns: [new RegExp(`^attention_dq_${D}$`), new RegExp(`^attention_dkv_${D}$`)],
        products: backwardProducts,
      }
    : { patterns: [new RegExp(`^attention_${D}$`)], products: 1 }
}

/** Reads the report once; { milliseconds(case), step(size) }, both undefined where nothing is predicted. */
export function openPrediction(device, report = readFileSync(reportPath, 'utf8')) {
  const gpu = gpuOf(device)
  return {
    gpu,
    /** Of a case of check_gpu's times. f32 products, which no tensor core computes, are not predicted. */
    milliseconds({ name, flops = 0, bytes = 0 }) {
      if (!gpu) return undefined
      const { flops: peak, bandwidth, mma } = gpus[gpu]
      const memory = bytes / (bandwidth * bandwidthShare)
      if (flops === 0) return memory * 1e3
      const kernels = kernelsOf(name)
      if (!kernels || !name.endsWith('bf16')) return undefined
      const shares = kernels.patterns.map((pattern) => shareOf(report, pattern, gpu))
      if (shares.includes(undefined)) return undefined
      const rate = (peak * mma * Math.min(...shares)) / kernels.products
      return Math.max(memory, flops / rate) * 1e3
    },
    /** Of a step of 4096 positions. */
    step(size) {
      const row = rowsOf(report, new RegExp(`^${size.replace('.', '\\.')}$`)).find(
        (cells) => cells[1] === gpu,
      )
      return row && Number.parseFloat(row[2])
    },
  }
}
