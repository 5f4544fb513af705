// What a folder of results says, as Markdown: first whether everything is right, then how fast.
import { join } from 'node:path'
import { readJson } from './kernels.mjs'
import { openPrediction } from './prediction.mjs'
import { gpus } from '../../scripts/cuda/prediction.mjs'

const row = (cells) => `| ${cells.map((cell) => cell ?? '').join(' | ')} |\n`
const table = (header, rows) => row(header) + row(header.map(() => '---')) + rows.map(row).join('')
const digits = (value, count = 3) => (Number.isFinite(value) ? String(Number(value.toPrecision(count))) : '')
const ratio = (a, b) => (a > 0 && b > 0 ? `${(a / b).toFixed(2)}x` : '')
const percent = (share) => (Number.isFinite(share) ? `${Math.round(share * 100)}%` : '')

function kernelLines({ runs }) {
  return runs
    .map(({ images, device, cases, notRun, withoutCase, failure }) => {
      const failed = cases.filter(({ holds }) => !holds)
      const lines = [
        `- ${images} (${device.kernels ?? 'no device'}): ${cases.length - failed.length} of ${cases.length + notRun} cases hold` +
          (notRun > 0 ? `, ${notRun} were not run` : ''),
        ...(failure ? [`  - ${failure}`] : []),
        ...withoutCase.map((name) => `  - no case called ${name}`),
        ...failed.map(
          ({ name, failure, error, allowed }) =>
            `  - ${name}: ${failure ?? `off by ${error}, allowed ${allowed}`}`,
        ),
      ]
      return lines.join('\n')
    })
    .join('\n')
}

const casesOf = (report) => report?.runs?.[0]?.cases?.filter(({ best }) => best > 0) ?? []

/** Times of kernels; `theirs`: PyTorch's. */
function timeTable(ours, theirs, prediction) {
  const peak = gpus[prediction.gpu]
  const rows = casesOf(ours).map((timed) => {
    const { name, milliseconds, flops, bytes } = timed
    const predicted = prediction.milliseconds(timed)
    const peers = theirs?.cases?.filter((peer) => peer.name === name) ?? []
    const products = flops > 0
    const rate = (products ? flops : bytes) / milliseconds
    return [
      name,
      digits(milliseconds),
      products ? `${digits(rate / 1e9)} TFLOP/s` : `${digits(rate / 1e6)} GB/s`,
      peak && percent((rate * 1e3) / (products ? peak.flops : peak.bandwidth)),
      digits(predicted),
      ratio(predicted, milliseconds),
      peers
        .map((peer) =>
          peer.failure
            ? `${peer.peer}: ${peer.failure}`
            : `${peer.peer} ${digits(peer.milliseconds)}: ${ratio(peer.milliseconds, milliseconds)}`,
        )
        .join('; '),
    ]
  })
  const header = [
    'case',
    'ms',
    'rate',
    'of peak',
    'predicted ms',
    'against it',
    'PyTorch ms: ours is faster by',
  ]
  return rows.length > 0 ? table(header, rows) : ''
}

/** Of each product the ways, our tiles and the best of cuBLASLt's, and which is the best of all. */
function wayTable(found) {
  const kinds = ['small', 'medium', 'large', 'cublaslt']
  const rows = casesOf(found).map(({ name, ways, flops }) => {
    const best = Object.fromEntries(
      kinds.map((kind) => [
        kind,
        Math.min(...ways.filter(({ way }) => way.startsWith(kind)).map(({ milliseconds }) => milliseconds)),
      ]),
    )
    const fastest = Math.min(...Object.values(best))
    const ours = Math.min(best.small, best.medium, best.large)
    return [
      name,
      ...kinds.map((kind) => digits(best[kind])),
      kinds.find((kind) => best[kind] === fastest),
      `${digits(flops / fastest / 1e9)} TFLOP/s`,
      Number.isFinite(best.cublaslt) ? ratio(best.cublaslt, ours) : '',
    ]
  })
  const { cublaslt } = found.runs[0]?.device ?? {}
  const header = ['case', ...kinds.map((kind) => `${kind} ms`), 'best', 'its rate', 'our tiles are faster by']
  return `cuBLASLt: ${cublaslt || 'not found'}\n\n${table(header, rows)}`
}

function stepTable({ rows }, prediction) {
  const peak = gpus[prediction.gpu]
  const ours = new Map(rows.filter(({ side }) => side === 'ours').map((row) => [row.size, row]))
  return table(
    [
      'model',
      'side',
      'ms',
      'predicted ms',
      'tokens/s',
      'model FLOPs utilisation',
      'MiB',
      'ours is faster by',
    ],
    rows.map(({ size, side, best, positions, flops, peakMemory }) => [
      size,
      side,
      digits(best * 1e3),
      side === 'ours' ? digits(prediction.step(size)) : '',
      digits(positions / best),
      peak && percent(flops / best / peak.flops),
      Math.round(peakMemory / 2 ** 20),
      side === 'ours' ? '' : ratio(best, ours.get(size)?.best),
    ]),
  )
}

function samplingTable({ rows }, prediction) {
  const peak = gpus[prediction.gpu]
  const ours = new Map(rows.filter(({ side }) => side === 'ours').map((row) => [row.what, row]))
  return table(
    ['what', 'side', 's', 'tokens/s, images/s', 'weights, of the bandwidth', 'ours is faster by'],
    rows.map(({ what, side, best, count, tokens }) => {
      const { weightBytes } = ours.get(what) ?? {}
      const rounds = tokens && tokens / count
      return [
        what,
        side,
        digits(best),
        digits((tokens ?? count) / best),
        peak && rounds ? percent((weightBytes * rounds) / best / peak.bandwidth) : '',
        side === 'ours' ? '' : ratio(best, ours.get(what)?.best),
      ]
    }),
  )
}

const agreementTable = ({ rows }) =>
  table(
    ['in', 'losses differ by', 'text', 'pixels differ by', 'holds'],
    rows.map(({ compute, lossError, textAgrees, pixelError, holds }) => [
      compute,
      digits(lossError ?? NaN),
      textAgrees ? 'the same' : 'another',
      pixelError,
      holds ? 'yes' : '**no**',
    ]),
  )

const sanitizerTable = ({ rows }) =>
  table(
    ['tool', 'cases', 'errors', 's', 'first reports'],
    rows.map(({ tool, cases, errors, late, seconds, messages }) => [
      tool,
      cases,
      `${errors ?? 'unknown'}${late ? ' (its time was over)' : ''}`,
      digits(seconds),
      messages.slice(0, 3).join('; '),
    ]),
  )

function counterTable({ rows }) {
  const both = ({ gpu, simulated }) =>
    `${digits(gpu, 4)}${simulated === undefined ? '' : ` / ${digits(simulated, 4)}`}`
  const names =
    rows.length > 0 ? Object.keys(rows[0]).filter((name) => !['kernel', 'launches'].includes(name)) : []
  return table(
    ['kernel', 'launches', ...names],
    rows.map((counted) => [counted.kernel, counted.launches, ...names.map((name) => both(counted[name]))]),
  )
}

/** The name of the GPU that check_gpu ran on, as the files say. */
const nameOf = (reports) =>
  reports
    .flatMap((report) => report?.runs ?? [])
    .map(({ device }) => device?.name)
    .find(Boolean)

/** Markdown of what a folder holds; `device`: its name where no file says it; `slices`: how each ended, { name: { ended, seconds, gpu } }. */
export function summarizeFolder(folder, { device, slices }) {
  const read = (name) => readJson(join(folder, `${name}.json`))
  const name = nameOf(['kernels', 'products', 'attention', 'memory'].map(read)) ?? device
  const prediction = openPrediction(name)
  const parts = [
    `# ${name}\n\nBy \`npm run check:gpu\`. ` +
      (prediction.gpu
        ? `Predictions are upper bounds from counts alone (cuda/REPORT.md), peaks are ${prediction.gpu}'s data sheet.`
        : 'There is no prediction for this device.') +
      '\n',
    table(
      ['slice', 'how it ended', 's', 'the GPU then'],
      Object.entries(slices).map(([name, { ended, seconds, gpu }]) => [name, ended, digits(seconds), gpu]),
    ),
  ]
  const section = (name, title, make) => {
    const found = read(name)
    if (!found) return
    const notes = (found.notes ?? []).map((note) => `- ${note}\n`).join('')
    parts.push(
      `## ${title}\n\n${found.skipped ? `Skipped: ${found.skipped}\n` : make(found)}${notes && `\n${notes}`}`,
    )
  }
  section('kernels', 'Whether kernels are right', (found) => `${kernelLines(found)}\n`)
  section('agreement', 'Training and sampling as on the CPU', agreementTable)
  section('sanitizer', 'compute-sanitizer', sanitizerTable)
  for (const [name, title] of [
    ['products', 'Products'],
    ['attention', 'Attention'],
    ['memory', "Kernels that memory's bandwidth bounds"],
  ])
    section(name, title, (found) => timeTable(found, read(`${name}.pytorch`), prediction))
  section('tune', 'Ways of products', wayTable)
  section('step', 'Training steps of 4096 positions, bf16', (found) => stepTable(found, prediction))
  section('sampling', 'Sampling, bf16', (found) => samplingTable(found, prediction))
  section('counters', 'Counters a launch: Nsight Compute / simulator', counterTable)
  return `${parts.join('\n')}`
}
