// `npm run cuda:report`: cuda/REPORT.md: what ptxas, the disassembler and the simulator say of each kernel, and what that
// lets a training step take. With `-- --check` nothing is written; it fails where a kernel spills registers or has a stack.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Failure, capture, main, root, runTool, stage } from '../run.mjs'
import { buildCuda } from './build.mjs'
import { compiled, occupancy, statisticsOf } from './kernel_statistics.mjs'
import { achievedByProducts, bandwidthShare, gpus, issueShare } from './prediction.mjs'
import { attentionTable, predictionTable, targetTable } from './report_predictions.mjs'
import { percent, table } from './report_table.mjs'
import { findNvcc } from './toolkit.mjs'

const folder = join(root, 'build/cuda/images')
const architectures = [80, 86, 90]

/** All kernels of all images, by architecture, as `read(folder, image, architecture)` finds them. */
function readAll(read) {
  const images = readdirSync(folder)
    .filter((name) => name.endsWith('.ptx'))
    .map((name) => name.slice(0, -'.ptx'.length))
  return Object.fromEntries(
    architectures.map((architecture) => [
      architecture,
      images.flatMap((image) => read(folder, image, architecture)),
    ]),
  )
}

/** Kernels whose registers did not suffice; local memory of any kind is a part of the stack. */
function spilling(kernels) {
  return architectures.flatMap((architecture) =>
    kernels[architecture]
      .filter(({ stack, spilled }) => stack > 0 || spilled > 0)
      .map(
        ({ name, stack, spilled }) =>
          `${name} (sm_${architecture}): ${stack} bytes of stack, ${spilled} spilled`,
      ),
  )
}

function tensorTable(kernels) {
  const rows = kernels[80].flatMap((kernel, i) => {
    // What guarded loaders of convolutions do is in loops of their own.
    if (!kernel.loop || kernel.name.endsWith('_guarded')) return []
    const newer = kernels[90][i]
    const { all, tensor, matrixLoad, asyncCopy, special } = kernel.loop
    return [
      [
        `\`${kernel.name}\``,
        all,
        tensor,
        matrixLoad,
        asyncCopy,
        special,
        percent(issueShare(kernel.loop, 80)),
        newer.loop ? percent(issueShare(newer.loop, 90)) : '',
      ],
    ]
  })
  const header = ['kernel', 'instructions', 'HMMA', 'LDSM', 'LDGSTS', 'MUFU', 'A100', 'H100 (of mma.sync)']
  return table(header, rows)
}

/** Bytes of dynamic shared memory of the kernels that the simulator counted. */
const dynamicShared = (counters) =>
  new Map(
    counters.flatMap(({ launches }) => launches.map(({ kernel, dynamic_shared: bytes }) => [kernel, bytes])),
  )

function registerTable(kernels, dynamic) {
  const rows = kernels[80].map((kernel, i) => [
    kernel.image,
    `\`${kernel.name}\``,
    kernel.threads,
    ...architectures.flatMap((architecture) => {
      const { registers, threads, ...own } = kernels[architecture][i]
      const shared = own.shared + (dynamic.get(kernel.name) ?? 0)
      return [registers, shared, percent(occupancy({ registers, shared, threads }, architecture))]
    }),
  ])
  const columns = architectures.flatMap((architecture) => [
    `sm_${architecture} registers`,
    'shared',
    'occupancy',
  ])
  return table(['file', 'kernel', 'threads', ...columns], rows)
}

const ratio = (a, b) => (b > 0 ? (a / b).toFixed(2) : '')

/** Warp instructions that an A100 issues while its memory moves a KiB, at 1.41 GHz: four a cycle and multiprocessor. */
const issuedPerKiB = (4 * 108 * 1.41e9 * 1024) / 2.0e12

/** What the simulator counted (test/cuda/traffic). */
function trafficTable(counters) {
  const rows = counters.map((counted) => [
    `\`${counted.name}\``,
    counted.dtype,
    counted.launches.length,
    Math.round(counted.ideal_bytes / 1024),
    ratio(counted.memory_bytes, counted.ideal_bytes),
    ratio(counted.sector_bytes, counted.ideal_bytes),
    ratio(counted.sector_bytes, counted.requested_bytes),
    Math.round(counted.requested_bytes / counted.requests),
    ratio(counted.warp_instructions * 1024, counted.sector_bytes),
    percent(Math.min(1, (issuedPerKiB * counted.sector_bytes) / 1024 / counted.warp_instructions)),
    ratio(counted.shared_wavefronts, counted.shared_ideal_wavefronts),
  ])
  const header = [
    'kernel',
    'dtype',
    'launches',
    'KiB',
    'memory / ideal',
    'sectors / ideal',
    'sectors / requested',
    'bytes a request',
    'warp instructions a KiB',
    'bandwidth allowed',
    'turns of banks',
  ]
  return table(header, rows)
}

/** Of a test's file. */
function readCounters(name) {
  const path = join(root, `build/cuda/counters/${name}.json`)
  if (!existsSync(path))
    throw new Failure(
      'no-counters',
      'the simulator has counted nothing yet: `npm run test:cuda -- test/cuda/traffic` does',
    )
  return JSON.parse(readFileSync(path, 'utf8'))
}

function write(kernels) {
  const steps = JSON.parse(readFileSync(join(root, 'cuda/step_work.json'), 'utf8'))
  const compiler = capture(findNvcc(), ['--version']).match(/release [\d.]+, V([\d.]+)/)[1]
  const tiles = readCounters('attention_tiles')
  const memoryBound = ['elementwise', 'layout', 'rows', 'training'].flatMap(readCounters)
  const products = ['products', 'attention'].flatMap(readCounters)
  const found = spilling(kernels)
  const report = `# What the CUDA kernels are made of

Made by \`npm run cuda:report\` with nvcc ${compiler}. Nothing here was measured on a GPU: it is what ptxas, the
disassembler and the simulated GPU say.

${kernels[80].length} kernels; ${found.length === 0 ? 'none has a stack or spills registers, on any of the architectures below' : `these spill: ${found.join('; ')}`}.

## Main loops of the tensor core kernels

Instructions of one turn on sm_80, along the way through it that nearly all turns take (rows at multiples of 16 bytes, tiles of
attention that all rows see), and the share of the tensor cores' rate that they allow at most: a scheduler issues one
instruction a cycle, the four of a multiprocessor share 128 bytes of shared memory a cycle, latencies are taken as hidden. On
sm_90 mma.sync itself reaches 63% of what wgmma would (arXiv 2501.12084). Guarded forms of convolutions are not listed: they load
element by element.

${tensorTable(kernels)}
## Tiles of attention

Pairs of a row and a key that mma.sync computes, of those of a dense mask, as the simulator counted them on random numbers. Where
a key has more than a quarter of a row, attention_backward also multiplies what rounding p and ds loses: these count as further
pairs.

${attentionTable(tiles)}
## What a training step would take

The whole step of 4096 positions, as \`scripts/cuda/step_work.mjs\` counts it on a simulated GPU that runs no kernel
(cuda/step_work.json): bf16, four documents of 1024 positions, half of them patches of two images each. Three ways:

- limit: products and attention at the share above, of the kernel that each takes; all else at the memory's bandwidth. What
  these kernels cannot exceed; cuBLASLt's, of wgmma, can.
- estimate: of that, what kernels of their kind have reached on hardware, with the sources in scripts/cuda/prediction.mjs:
  products ${percent(achievedByProducts)} of what their instructions allow, times the share of multiprocessors that rounds of tiles
  fill; attention what FlashAttention 2 reaches, ${percent(gpus.A100.achieved.attention)} forward and ${percent(gpus.A100.achieved.attention_backward)} backward on an A100 and ${percent(gpus.H100.achieved.attention)} of what
  mma.sync does on an H100; ${percent(bandwidthShare)} of the memory's bandwidth, which is an assumption; 0.9 us between two kernels.
- with cuBLASLt: the same, and large products of whole rows at what cuBLAS reaches.

${predictionTable(kernels, steps, tiles)}
The longest are those of the estimate without cuBLASLt.

## Targets

Against the estimate, with cuBLASLt where that helps. None of it was measured.

${targetTable(kernels, steps, tiles)}
## Memory traffic

As the simulator counted it. \`ideal\` are the bytes of each tensor once. \`memory\`: sectors of 32 bytes that a launch reads, each
once, and those that it writes, each once, which is what memory moves while caches hold what a launch has touched; \`sectors\`: all
that its warps read and write, with what caches serve, and against the bytes that threads ask for (less than 1 where several ask
for the same). \`turns of banks\`: of shared memory, against those without conflicts. A limit of 1.05 holds for memory / ideal,
sectors / ideal and sectors / requested, and of 1 for banks, where the tests (test/cuda/traffic) do not say otherwise and why.
\`bandwidth allowed\`: of an A100's, which its issue of instructions allows at most.

Kernels that the memory's bandwidth bounds, mostly at 128 rows of 1024 columns:

${trafficTable(memoryBound)}
Products and attention, which read tiles again and again from caches:

${trafficTable(products)}
## Registers, shared memory, occupancy

With the dynamic shared memory that a launch takes, where the tests of memory traffic launch the kernel: not of convolutions.

${registerTable(kernels, dynamicShared([...memoryBound, ...products]))}`
  const path = join(root, 'cuda/REPORT.md')
  writeFileSync(path, report)
  runTool('prettier/bin/prettier.cjs', ['--write', '--log-level=warn', path])
  console.log(`${path}: ${kernels[80].length} kernels`)
}

main(() => {
  const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values
  stage('Machine code', () => buildCuda({ architectures }))
  stage('Report', () => {
    const kernels = readAll(check ? compiled : statisticsOf)
    const found = spilling(kernels)
    if (!check) write(kernels)
    if (found.length > 0)
      throw new Failure('a-kernel-spills', `kernels spill registers:\n  ${found.join('\n  ')}`)
    console.log('no kernel spills')
  })
})
