// The slice `counters`: what Nsight Compute counts of some kernels beside what the simulated GPU counts of the same launches.
// Without ncu, or without its permission to read counters, the slice is skipped.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { program } from './kernels.mjs'
import { parseNcu } from './ncu_csv.mjs'
import { findTool } from './tools.mjs'
import { describeEnd, openResults, runWatched } from './watched.mjs'

/** Cases whose kernels are counted, by parts of their names. */
export const only = [
  'matmul 1 x \\[128, 128, 64\\] N[NT], bf16',
  'attention and backward \\[70, 4 of 2, 128\\] in 2, bf16',
  'rms_norm and backward \\[37, 2048\\], bf16',
  'transpose \\[5, 64, ',
  'cross_entropy and backward \\[19, ',
  'add \\[37, 131\\] 37',
  'swiglu',
  'embedding.*\\[53 of',
  'adamw \\[5003',
  'split_rope and backward \\[19, ',
  'sum_rows \\[64, ',
  'sample_tokens \\[14, ',
]

/** By our names: ncu's metrics, to be added up, and the simulator's counter. */
export const counted = {
  instructions: { ncu: ['smsp__inst_executed.sum'], simulated: 'warp_instructions' },
  sectors: {
    ncu: ['l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum', 'l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum'],
    simulated: 'global_sectors',
  },
  wavefronts: { ncu: ['l1tex__data_pipe_lsu_wavefronts_mem_shared.sum'], simulated: 'shared_wavefronts' },
  conflicts: { ncu: ['l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum'] },
  dramBytes: { ncu: ['dram__bytes_read.sum', 'dram__bytes_write.sum'] },
  registers: { ncu: ['launch__registers_per_thread'] },
  nanoseconds: { ncu: ['gpu__time_duration.sum'] },
}
const metrics = Object.values(counted).flatMap(({ ncu }) => ncu)

const mean = (values) => {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : known.reduce((a, b) => a + b, 0) / known.length
}

function byKernel(launches) {
  const groups = new Map()
  for (const launch of launches) groups.set(launch.kernel, [...(groups.get(launch.kernel) ?? []), launch])
  return groups
}

/** Rows of what both counted a launch, on average: { kernel, launches, NAME: { gpu, simulated } }. */
export function compareCounters(gpuLaunches, simulatedLaunches) {
  const simulated = byKernel(simulatedLaunches)
  return [...byKernel(gpuLaunches)].map(([kernel, launches]) => {
    const row = { kernel, launches: launches.length }
    for (const [name, { ncu, simulated: counter }] of Object.entries(counted)) {
      const sums = launches.map(({ metrics }) =>
        ncu.some((metric) => metrics[metric] !== undefined)
          ? ncu.reduce((sum, metric) => sum + (metrics[metric] ?? 0), 0)
          : undefined,
      )
      const theirs = counter && mean((simulated.get(kernel) ?? []).map((launch) => launch[counter]))
      row[name] = { gpu: mean(sums), simulated: theirs }
    }
    return row
  })
}

const argumentsOf = (images) => [
  '--worker',
  '1',
  '--images',
  images,
  '--sizes',
  'small',
  '--only',
  only.join('|'),
]

export async function countBeside(context) {
  const results = openResults(join(context.folder, 'counters.json'), 'counters')
  const left = () => (context.deadline - performance.now()) / 1000 - 5
  const ncu = findTool('ncu')
  if (!ncu && !context.driver) return results.skip('there is no ncu in PATH, CUDA_HOME or beside nvcc')
  const simulator = join(program, '../libsimulated_cuda.so')
  if (!existsSync(simulator)) return results.skip('build/cuda has no simulated driver')
  const file = join(context.folder, 'counters.simulated.jsonl')
  rmSync(file, { force: true })
  const simulated = await runWatched(program, [...argumentsOf('PTX'), '--driver', simulator], {
    seconds: left(),
    env: { TRANSFUSION_SIMULATOR_COUNTERS: file },
    quiet: true,
  })
  if (describeEnd(simulated)) return `the simulated GPU ${describeEnd(simulated)}`
  if (context.driver) return results.skip('ncu needs a GPU')
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  const options = ['--csv', '--page', 'raw', '--print-units', 'base', '--clock-control', 'none']
  const log = join(context.folder, 'counters.ncu.csv')
  const ended = await runWatched(
    ncu,
    [...options, '--log-file', log, '--metrics', metrics.join(), program, ...argumentsOf('machine code')],
    { seconds: left(), quiet: true },
  )
  const output = existsSync(log) ? readFileSync(log, 'utf8') : ''
  // ERR_NVGPUCTRPERM: counters are for administrators on this machine.
  const refusal = /==ERROR== (.*)/.exec(output + ended.stdout + ended.stderr)
  if (refusal) return results.skip(`ncu: ${refusal[1]}`)
  if (describeEnd(ended) && !ended.late) return `ncu ${describeEnd(ended)}`
  for (const row of compareCounters(
    parseNcu(output),
    lines.map((line) => JSON.parse(line)),
  ))
    results.add(row)
  return ended.late ? 'ncu was killed when its time was over' : ''
}
