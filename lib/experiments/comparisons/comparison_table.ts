import { mean, variance } from '../../evaluation/image_metrics/moments.js'
import type { Point, RunResult } from './comparison_run.js'
import type { Comparison } from './comparisons.js'

const columns = [
  ['captions %', ({ captions }) => 100 * captions, 1],
  ['images %', ({ images }) => 100 * images, 1],
  ['diversity', ({ diversity }) => diversity, 3],
  ['Fréchet', ({ frechet }) => frechet, 3],
  ['KID', ({ kid }) => kid, 2],
] as const satisfies [name: string, value: (point: Point) => number, digits: number][]

/** The metrics of all runs as Markdown: a line for each variant and point of training, over its seeds. */
export function comparisonTable(
  { title, variants, paper }: Comparison,
  results: readonly RunResult[],
): string {
  const head = ['variant', 'parameters', 'steps', 'seconds', ...columns.map(([name]) => name), 'seeds']
  const lines = variants.flatMap(({ name }) => {
    const runs = results.filter(({ variant }) => variant === name)
    return (runs[0]?.points ?? []).map((_, i) => lineOf(name, runs, i))
  })
  return [
    `# ${title}`,
    '',
    'Mean ± standard deviation over seeds; Fréchet distances are shares of that of the mean images of each class.',
    '',
    ...markdownTable(head, lines),
    '',
    ...paper,
    '',
  ].join('\n')
}

function lineOf(name: string, runs: readonly RunResult[], index: number): string[] {
  const points = runs.flatMap(({ points }) => points[index] ?? [])
  const over = (value: (point: Point) => number, digits: number) => {
    const values = points.map(value)
    const spread = values.length > 1 ? ` ± ${Math.sqrt(variance(values)).toFixed(digits)}` : ''
    return mean(values).toFixed(digits) + spread
  }
  return [
    name,
    runs[0]!.parameters.toLocaleString('en'),
    over(({ step }) => step, 0),
    over(({ seconds }) => seconds, 0),
    ...columns.map(([, value, digits]) => over(value, digits)),
    String(points.length),
  ]
}

/** Lines of a table in Markdown. */
export const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  [head, head.map(() => '---'), ...rows].map(row)

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
