import { fastestTile } from '../../run/tune_from_config.js'
import type { ProductShape } from '../../tensor/product_choices.js'
import type { MeasuredProduct } from '../../tensor/product_store.js'

const widths = [46, 14, 11, 10, 14]
const row = (...cells: string[]): string =>
  cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join('')
    .trimEnd()

/** The table's columns. */
export const productsHead = (): string => row('product', 'fastest', 'ms', 'TFLOP/s', 'own tiles, ms', 'gain')

/** A product, the fastest way of it, and how much faster that is than in the best tiles of ours. */
export function productLine({ shape, way, times }: MeasuredProduct): string {
  const { milliseconds } = times.find((time) => time.way === way)!
  const own = fastestTile(times)
  const flops = 2 * shape.batch * shape.m * shape.n * shape.k
  const gain = own.milliseconds / milliseconds - 1
  return row(
    nameOf(shape),
    way.split(' ')[0]!,
    milliseconds.toPrecision(3),
    shortNumber(flops / milliseconds / 1e9),
    `${own.milliseconds.toPrecision(3)} ${own.way}`,
    gain > 0 ? `${(100 * gain).toFixed(0)}%` : '',
  )
}

/** Three digits, of small numbers too without a row of zeros before them. */
const shortNumber = (value: number): string => (value < 1e-3 ? value.toExponential(2) : value.toPrecision(3))

/** "bf16 [512, 64] [64, 128] + bias" */
function nameOf({ dtype, yDtype, transposeA, transposeB, bias, accumulate, batch, m, n, k }: ProductShape) {
  const a = transposeA ? `[${k}, ${m}]'` : `[${m}, ${k}]`
  const b = transposeB ? `[${n}, ${k}]'` : `[${k}, ${n}]`
  const added = `${bias ? ' + bias' : ''}${accumulate ? ' + y' : ''}`
  const type = yDtype === dtype ? dtype : `${dtype} to ${yDtype}`
  return `${batch > 1 ? `${batch} x ` : ''}${type} ${a} ${b}${added}`
}
