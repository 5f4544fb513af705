import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { readJson } from '../../files/json_file.js'

const metricSchema = z.object({
  /** null: JSON's way to say that it is not finite. */
  value: z.number().nullable(),
  standard_error: z.number().nullable().optional(),
  count: z.number().optional(),
})

const metricsSchema = z.record(z.string(), metricSchema)

/** Earlier versions wrote `figures` for `metrics`. */
const resultSchema = z
  .object({
    task: z.string(),
    data: z.string(),
    settings: z.record(z.string(), z.unknown()),
    metrics: metricsSchema.optional(),
    figures: metricsSchema.optional(),
    seconds: z.number(),
  })
  .refine(({ metrics, figures }) => metrics !== undefined || figures !== undefined, {
    path: ['metrics'],
    error: 'expected an object, received none',
  })

const evaluationSchema = z.object({
  model: z.string(),
  precision: z.string(),
  seed: z.number(),
  results: z.array(resultSchema),
})

const finalMetricsSchema = z.record(z.string(), z.number().nullable())

export type Metric = z.output<typeof metricSchema>

/** Metrics that were measured together. */
export interface MetricTable {
  title: string
  /** How they were measured. */
  settings?: Record<string, unknown>
  metrics: Record<string, Metric>
}

/** The tables of `eval.json`. Rejects with an Error that names what is wrong in it. */
export async function readEvaluation(path: string): Promise<MetricTable[]> {
  const { results, model, precision, seed } = parseConfig(evaluationSchema, await readJson(path), path)
  return results.map(({ task, data, settings, metrics, figures, seconds }) => ({
    title: `${task}: ${data}`,
    settings: { model, precision, seed, ...settings, seconds: Number(seconds.toFixed(1)) },
    metrics: metrics ?? figures ?? {},
  }))
}

/** The table of the demo's `final_metrics.json`. Rejects with an Error that names what is wrong in it. */
export async function readFinalMetrics(path: string): Promise<MetricTable[]> {
  const values = Object.entries(parseConfig(finalMetricsSchema, await readJson(path), path))
  return [{ title: 'Demo', metrics: Object.fromEntries(values.map(([name, value]) => [name, { value }])) }]
}
