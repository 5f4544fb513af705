// What cuda/REPORT.md predicts: tiles of attention that are skipped, training steps, targets.
import { gpus, issueShare, predict, productRate, ways } from './prediction.mjs'
import { percent, table } from './report_table.mjs'

/** Products that attention's kernels of the backward pass compute: both have scores and dp. */
const computedProducts = { dkv: 4, dq: 3 }
const backwardProducts = computedProducts.dkv + computedProducts.dq
/** Of them, those that a step counts (native/flops.h), and those that FlashAttention's benchmarks do. */
const countedProducts = 4
const peersProducts = 5

/** The mask of a step's attention, and of the targets; and the same where p is large in all tiles on the diagonal. */
const stepMask = /^4 documents of 1024 positions, half of them of images$/
const peakedMask = /^4 documents of 1024 positions, half of them of images, rows that see mostly themselves$/

/** Rows of build/cuda/counters/attention_tiles.json: pairs of a dense mask, visible ones, and those computed. */
export const attentionTable = (tiles) =>
  table(
    ['mask', 'kernel', 'skipped', 'could be skipped', 'visible of what is computed'],
    tiles.map(({ mask, kernel, dense, visible, computed }) => [
      mask,
      `\`${kernel}\``,
      percent(1 - computed / dense),
      percent(1 - visible / dense),
      percent(visible / computed),
    ]),
  )

/** By a kernel's name the share of mma.sync's rate that its main loop allows. */
function sharesOf(kernels, architecture) {
  const loops = new Map(kernels[architecture].map(({ name, loop }) => [name, loop]))
  return (name) => {
    const loop = loops.get(name)
    return loop ? issueShare(loop, architecture) : 1
  }
}

/** What instructions and tiles of attention allow, of visible pairs and the products that a step counts. */
function attentionShares(shareOf, tiles, width, mask = stepMask) {
  const share = (kernel) => {
    const { visible, computed } = tiles.find((row) => row.kernel === kernel && mask.test(row.mask))
    return (shareOf(kernel) * visible) / computed
  }
  const computing = Object.entries(computedProducts).reduce(
    (sum, [pass, products]) => sum + products / share(`attention_${pass}_${width}`),
    0,
  )
  return { attention: share(`attention_${width}`), attention_backward: countedProducts / computing }
}

const milliseconds = (seconds) => `${(seconds * 1e3).toFixed(1)} ms`

/** A step on a GPU in one of the ways of prediction.mjs. */
function stepOn(kernels, step, tiles, gpu, way) {
  const shareOf = sharesOf(kernels, gpu.architecture)
  return predict(step, gpu, way, shareOf, attentionShares(shareOf, tiles, step.headWidth))
}

export function predictionTable(kernels, steps, tiles) {
  const rows = Object.entries(steps).flatMap(([size, step]) =>
    Object.entries(gpus).map(([name, gpu]) => {
      const [limit, own, library] = ways.map((way) => stepOn(kernels, step, tiles, gpu, way))
      const parts = own.kernels
        .slice(0, 6)
        .map(({ name: part, seconds, limit: by }) => `${part} ${percent(seconds / own.seconds)} (${by})`)
      const times = [own, library, limit].flatMap(({ seconds, utilisation }) => [
        milliseconds(seconds),
        percent(utilisation),
      ])
      return [size, name, ...times, parts.join(', ')]
    }),
  )
  const header = ['model', 'GPU', 'estimate', 'MFU', 'with cuBLASLt', 'MFU', 'limit', 'MFU', 'longest']
  return table(header, rows)
}

/** The product of matrices of 4096, in large tiles of 128 x 256. */
const product4096 = {
  kernel: 'matmul_bf16_nt_large',
  blocks: (4096 / 128) * (4096 / 256),
  flops: 2 * 4096 ** 3,
}

function verdict(target, { own, library, limit }) {
  if (own >= target) return 'met'
  if (library >= target) return 'met with cuBLASLt'
  return limit >= target ? 'not met; the limit is above it' : 'not met'
}

export function targetTable(kernels, steps, tiles) {
  const predicted = (name, target, shares, why) => [
    name,
    `>= ${percent(target)}`,
    ...[shares.own, shares.library, shares.limit].map((share) => (share === undefined ? '' : percent(share))),
    verdict(target, shares),
    why,
  ]
  const unknown = (name, target, why) => [name, target, '', '', '', 'not predicted', why]
  const each = (share) => Object.fromEntries(ways.map((way) => [way, share(way)]))
  const product = (gpu) =>
    each((way) => productRate(product4096, gpu, way, sharesOf(kernels, gpu.architecture)))
  const step = (gpu) => each((way) => stepOn(kernels, steps['0.76B'], tiles, gpu, way).utilisation)
  const allowed = attentionShares(sharesOf(kernels, 80), tiles, 128)
  const [backward, peaked] = [stepMask, peakedMask].map((mask) => {
    const shares = attentionShares(sharesOf(kernels, 80), tiles, 128, mask)
    return (shares.attention_backward * peersProducts) / countedProducts
  })
  return table(
    ['what', 'target', 'estimate', 'with cuBLASLt', 'limit', 'verdict', 'why'],
    [
      predicted(
        'products of 4096, A100',
        0.75,
        product(gpus.A100),
        'the last of 5 rounds of tiles fills 74%',
      ),
      predicted('products of 4096, H100', 0.45, product(gpus.H100), 'mma.sync itself stops at 63%'),
      predicted(
        'attention forward, A100, heads of 128, images and documents',
        0.5,
        { own: allowed.attention * gpus.A100.achieved.attention, limit: allowed.attention },
        'documents of 1024 positions; of longer ones fewer of the computed pairs are hidden',
      ),
      predicted(
        'attention backward, the same',
        0.42,
        { own: backward * gpus.A100.achieved.attention_backward, limit: backward },
        `of ${peersProducts} products a pair, as FlashAttention counts; ${backwardProducts} are computed: scores and dp for dk and dv, and again for dq, so that no sum depends on the order of blocks; where each row sees mostly itself, more: ${percent(peaked * gpus.A100.achieved.attention_backward)}`,
      ),
      unknown(
        'memory-bound kernels, of bandwidth',
        '>= 80%',
        'bytes, sectors and issue allow it (memory traffic, below); latencies and DRAM show on a GPU alone',
      ),
      predicted('step of 0.76B, A100', 0.5, step(gpus.A100), 'products, then adamw: 30 bytes a parameter'),
      predicted(
        'step of 0.76B, H100',
        0.38,
        step(gpus.H100),
        'the same; reading gradients for their norm is 4 more bytes a parameter',
      ),
      unknown(
        'step, of PyTorch eager with a dense mask',
        '>= 1.3 x',
        "PyTorch's kernels are not counted; `npm run check:gpu` measures both",
      ),
      unknown('step, of compiled FlexAttention', '>= 1.0 x', 'the same'),
    ],
  )
}
