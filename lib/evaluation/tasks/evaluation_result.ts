/** One number, with the count of what it was measured on and its standard error where there are such. */
export interface Figure {
  value: number
  standard_error?: number
  count?: number
}

/** What one task gave, as `eval.json` holds it. */
export interface EvaluationResult {
  task: string
  /** What it was measured on. */
  data: string
  settings: object
  figures: Record<string, Figure>
  seconds: number
}

/** A share of `count` independent trials, with its standard error sqrt(p (1 - p) / n). */
export const shareFigure = (value: number, count: number): Figure => ({
  value,
  standard_error: Math.sqrt((value * (1 - value)) / count),
  count,
})

/** A table for the terminal: a heading for each task, a line for each figure. */
export function formatResults(results: readonly EvaluationResult[]): string {
  const names = results.flatMap(({ figures }) => Object.keys(figures))
  const width = Math.max(...names.map((name) => name.length))
  return results
    .map(({ task, data, figures, seconds }) => {
      const lines = Object.entries(figures).map(
        ([name, figure]) => `  ${name.padEnd(width)}  ${format(figure)}`,
      )
      return [`${task}: ${data} (${seconds.toFixed(1)} s)`, ...lines].join('\n')
    })
    .join('\n\n')
}

function format({ value, standard_error, count }: Figure): string {
  const error = standard_error === undefined ? '' : `± ${significant(standard_error, 2)}`
  const of = count === undefined ? '' : `n = ${count.toLocaleString('en')}`
  return [significant(value, 4).padStart(9), error.padEnd(10), of].join('  ').trimEnd()
}

const significant = (value: number, digits: number): string =>
  Math.abs(value) >= 10 ** digits
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(digits)))
